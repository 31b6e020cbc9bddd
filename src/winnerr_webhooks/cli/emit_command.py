"""`emit`: sends one event through the API."""

import sys
from typing import Annotated

import msgspec
import typer

from winnerr_webhooks.cli.api_client import api_key, call, refusal
from winnerr_webhooks.cli.configuration import configure
from winnerr_webhooks.cli.setting_options import ClientKey, ServerUrl
from winnerr_webhooks.domain.errors import Invalid


def emit(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Such as contact.created.")],
    *,
    organization: Annotated[str, typer.Option(help="The organization it happened in.")],
    data: Annotated[str, typer.Option(help="The event's data, a JSON object; - reads stdin.")],
    event_id: Annotated[
        str | None,
        typer.Option("--id", help="Your id of the event; it makes the call safe to repeat."),
    ] = None,
    timestamp: Annotated[
        str | None, typer.Option(help="When it happened, RFC 3339; default: now.")
    ] = None,
    server: ServerUrl = None,
    key: ClientKey = None,
) -> None:
    """Send one event through the API, and print the answer.

    If the event is refused, the exit code is 1 and stderr says why.
    """
    key = api_key(key)
    raw = sys.stdin.buffer.read() if data == "-" else data.encode(errors="surrogateescape")
    body: dict[str, object] = {"event": event, "organizationId": organization, "data": _json(raw)}
    if timestamp is not None:
        body["timestamp"] = timestamp
    if event_id is not None:
        body["id"] = event_id
    server = server or configure().public_url
    answer = call(server, key, "POST", "/api/v1/events", msgspec.json.encode(body))
    if not answer.accepted:
        for line in refusal(answer):
            typer.echo(line, err=True)
        raise typer.Exit(1)
    typer.echo(answer.body.decode())


def _json(raw: bytes) -> msgspec.Raw:
    """Check that it is JSON, but keep its bytes, so that numbers keep their digits."""
    try:
        return msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"--data is not JSON: {error}.") from None

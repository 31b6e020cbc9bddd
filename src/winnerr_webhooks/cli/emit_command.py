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
    data: Annotated[
        str | None, typer.Option(help="The event's data, a JSON object; - reads stdin.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Send the example of the server's catalogue.")
    ] = False,
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
    server = server or configure().public_url
    if example == (data is not None):
        raise Invalid("Give either --data or --example.")
    body: dict[str, object] = {
        "event": event,
        "organizationId": organization,
        "data": _example(server, key, event) if data is None else _json(_raw(data)),
    }
    if timestamp is not None:
        body["timestamp"] = timestamp
    if event_id is not None:
        body["id"] = event_id
    typer.echo(_accepted(server, key, "POST", "/api/v1/events", msgspec.json.encode(body)).decode())


def _accepted(server: str, key: str, method: str, path: str, body: bytes | None = None) -> bytes:
    """Call the API, and return the answer; without success print why, and exit with 1."""
    answer = call(server, key, method, path, body)
    if not answer.accepted:
        for line in refusal(answer):
            typer.echo(line, err=True)
        raise typer.Exit(1)
    return answer.body


class _Payload(msgspec.Struct):
    data: msgspec.Raw


class _EventType(msgspec.Struct):
    name: str
    example: _Payload


class _Category(msgspec.Struct):
    events: list[_EventType]


class _Catalog(msgspec.Struct):
    items: list[_Category]


def _example(server: str, key: str, event: str) -> msgspec.Raw:
    """Return the data of the example that the server's catalogue has."""
    answer = _accepted(server, key, "GET", "/api/v1/event-types")
    catalog = msgspec.json.decode(answer, type=_Catalog)
    found = [one for category in catalog.items for one in category.events if one.name == event]
    if not found:
        raise Invalid(f"There is no event {event!r} in the catalogue of {server}.")
    return found[0].example.data


def _raw(data: str) -> bytes:
    return sys.stdin.buffer.read() if data == "-" else data.encode(errors="surrogateescape")


def _json(raw: bytes) -> msgspec.Raw:
    """Check that it is JSON, but keep its bytes, so that numbers keep their digits."""
    try:
        return msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"--data is not JSON: {error}.") from None

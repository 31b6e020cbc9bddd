"""The command `listen`, and its options."""

import asyncio
import socket
import sys
from typing import Annotated

import typer

from winnerr_webhooks.cli.api_client import api_key
from winnerr_webhooks.cli.configuration import configure
from winnerr_webhooks.cli.setting_options import ClientKey, ServerUrl
from winnerr_webhooks.domain.errors import Invalid


def listen(
    *,
    forward_to: Annotated[
        str, typer.Option(help="URL of your receiver, such as http://localhost:3000/hook.")
    ],
    events: Annotated[
        str | None,
        typer.Option(
            help="Only these events, separated by commas; contact.* is all of a prefix. "
            "Default: all."
        ),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(help="Take the events and the secret of this webhook (wh_…)."),
    ] = None,
    organization: Annotated[
        str | None, typer.Option(help="Whose events; default: the organization of the key.")
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Get all events, also if others listen with this key.")
    ] = False,
    allow_external: Annotated[
        bool, typer.Option("--allow-external", help="Forward to other machines than this one.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for scripts.")
    ] = False,
    server: ServerUrl = None,
    key: ClientKey = None,
) -> None:
    """Receive events on this machine: each is posted to a local URL, signed as for a webhook.

    It only opens outgoing connections. Every answer is in the log, with the trigger `listen`. It
    goes on by itself after sleep, a restart of the server or a lost network, until you press q or
    Ctrl-C. If the API key is refused or revoked, the exit code is 77.
    """
    from winnerr_webhooks.cli.listen import listen_session  # noqa: PLC0415  --help needs none of it

    key = api_key(key)
    names = None
    if events is not None:
        names = [name.strip() for name in events.split(",") if name.strip()]
        if not names:
            raise Invalid("--events names no event, such as contact.created,deal.created.")
    request = listen_session.ListenerRequest(
        forward_to=forward_to,
        organization_id=organization,
        name=f"{socket.gethostname()} {forward_to}" if copy else "",
        events=names,
        webhook=webhook,
    )
    session = listen_session.ListenSession(
        server or configure().public_url, key, request, allow_external=allow_external
    )
    code = asyncio.run(session.run(listen_session.display_for(sys.stdout, as_json=as_json)))
    if code:
        raise typer.Exit(code)

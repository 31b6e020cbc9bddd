"""The relay as a program: `winnerr-webhooks-outbox-relay`, and `winnerr-webhooks outbox-relay`.

It moves events from the outbox of a product's database to the API until it gets SIGTERM or SIGINT.
`list` prints what was refused and why, `retry` has it sent again.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from typing import Any, Callable, List, Optional, Sequence

from winnerr_webhooks_sdk.emitter import Emitter
from winnerr_webhooks_sdk.outbox.connect import connector
from winnerr_webhooks_sdk.outbox.relay import run_relay
from winnerr_webhooks_sdk.outbox.table import TABLE, check_name
from winnerr_webhooks_sdk.outbox.upkeep import count_rows, list_refused, retry_refused

PROGRAM = "winnerr-webhooks-outbox-relay"
DEFAULT_SERVER = "http://127.0.0.1:8400"
RETRY_FOR = 5.0
"""Seconds that one batch is repeated before the relay waits and begins anew; so it stops soon."""
FAILED = 1
WRONG_USE = 2
_JOIN_SECONDS = 0.5
_MOST_LISTED = 1_000

log = logging.getLogger(__name__)


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog=program,
        description="Move events from the outbox in your own database to the API.",
        epilog=f"Example: {program} --from postgresql://crm@db.example.com/crm",
    )
    made.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=("run", "list", "retry"),
        default="run",
        help="run (the default) moves events until it is stopped; list prints how many wait, and "
        "what was refused and why; retry has refused events sent again.",
    )
    made.add_argument(
        "rows",
        metavar="ROW",
        nargs="*",
        type=int,
        help="For retry: the numbers that list prints first; default: all refused events.",
    )
    made.add_argument(
        "--from",
        dest="url",
        help="Your database: postgresql://…, mysql://… or sqlite:///path; "
        "default: WINNERR_WEBHOOKS_OUTBOX_URL.",
    )
    made.add_argument("--table", default=TABLE, help=f"The outbox's table; default: {TABLE}.")
    made.add_argument(
        "--server",
        help=f"URL of the API; default: WINNERR_WEBHOOKS_PUBLIC_URL, or else {DEFAULT_SERVER}.",
    )
    made.add_argument("--key", help="The API key; default: WINNERR_WEBHOOKS_API_KEY.")
    return made


def main(words: Optional[Sequence[str]] = None, program: str = PROGRAM) -> int:
    """Run the command line; the exit code: 0, 1 for a failure, 2 for wrong use."""
    options = parser(program).parse_intermixed_args(words)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        connect = connector(_url(options))
        table = check_name(options.table)
        if options.action == "run":
            server = options.server or os.environ.get("WINNERR_WEBHOOKS_PUBLIC_URL")
            server = server or DEFAULT_SERVER
            emitter = Emitter(server, _key(options.key), retry_for=RETRY_FOR)
            return _run(connect, emitter, table, f"Moving events from {table} to {server}", program)
    except ValueError as error:
        return _fail(program, error, WRONG_USE)
    try:
        with contextlib.closing(connect()) as connection:
            if options.action == "list":
                _list(connection, table)
            else:
                count = retry_refused(connection, options.rows or None, table)
                connection.commit()
                sys.stdout.write(f"Refused events that are sent again: {count}\n")
    except Exception as error:  # noqa: BLE001  each driver has its own tree of errors
        return _fail(program, error, FAILED)
    return 0


def _url(options: argparse.Namespace) -> str:
    if options.rows and options.action != "retry":
        raise ValueError(f"{options.action} takes no row numbers.")
    url = options.url or os.environ.get("WINNERR_WEBHOOKS_OUTBOX_URL")
    if not url:
        raise ValueError("No database: give --from or WINNERR_WEBHOOKS_OUTBOX_URL.")
    return str(url)


def _key(given: Optional[str]) -> str:
    key = given or os.environ.get("WINNERR_WEBHOOKS_API_KEY")
    if not key:
        raise ValueError(
            "No API key: give --key or WINNERR_WEBHOOKS_API_KEY "
            "(create one with: winnerr-webhooks keys create --name relay)."
        )
    return key


def _run(
    connect: Callable[[], Any], emitter: Emitter, table: str, headline: str, program: str
) -> int:
    """Relay in a thread of its own, so that signals never find the relay holding a lock."""
    stop = threading.Event()
    failures: List[Exception] = []

    def work() -> None:
        try:
            run_relay(connect, emitter, stop, table=table)
        except Exception as error:  # noqa: BLE001  told by the main thread
            failures.append(error)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info(headline)
    with emitter:
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            thread.join(_JOIN_SECONDS)
    if failures:
        return _fail(program, failures[0], FAILED)
    log.info("Stopped")
    return 0


def _list(connection: Any, table: str) -> None:
    counts = count_rows(connection, table)
    oldest = f", the oldest since {counts.oldest}" if counts.oldest else ""
    lines: List[str] = [f"{counts.waiting} waiting{oldest}; {counts.refused} refused"]
    for row in list_refused(connection, table, _MOST_LISTED):
        refusal = " ".join(row.refusal.split())
        lines.append(f"{row.sequence}  {row.organization}  {row.event}  {row.id}  {refusal}")
    if counts.refused > _MOST_LISTED:
        lines.append(f"… and {counts.refused - _MOST_LISTED} more.")
    sys.stdout.write("\n".join(lines) + "\n")


def _fail(program: str, error: Exception, code: int) -> int:
    message = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"{program}: {message}\n")
    return code

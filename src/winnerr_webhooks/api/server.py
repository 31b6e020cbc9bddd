"""uvicorn as we run it: one write an answer, signals left to us, and a short way for events.

An ASGI call costs a task, an event object and two messages: more than all the rest that one
event needs. So the protocol itself hands `POST /api/v1/events` to the intake and writes the
answer when the commit is done. Whatever is out of the ordinary about a call (its key is not
known yet, its length not said, another one is before it on the connection, …) goes the long
way, through ASGI; both ways share everything from reading the event on (docs/adr/0007).

What comes is parsed no further than it can be dealt with: a connection holds back what it
received while a request is at work on it, and has limits before anybody said who calls.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from winnerr_webhooks.api.connections import OpenConnections
from winnerr_webhooks.api.events import EventIntake
from winnerr_webhooks.api.protocol import Protocol
from winnerr_webhooks.api.watch import TICKS, Limits, Watch
from winnerr_webhooks.budgets import Budgets


class Server(uvicorn.Server):
    """uvicorn, without its signal handlers: with them it ends with code 143 on SIGTERM."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def protocol_for(
    intake: EventIntake | None,
    budgets: Budgets,
    *,
    descriptors: int,
    limits: Limits | None = None,
) -> Callable[..., HttpToolsProtocol]:
    """What makes a connection's protocol; without an intake every call is an ASGI call.

    `descriptors`: how many file descriptors this process may have.
    """
    allowed = limits or Limits()
    tick = allowed.request_seconds / TICKS
    open_connections = OpenConnections(budgets.connections_in, descriptors)
    watch = Watch(tick, open_connections.keep_descriptors_free)

    def make(*arguments: Any, **options: Any) -> Protocol:
        protocol = Protocol(*arguments, **options)
        protocol.intake = intake
        protocol.limits = allowed
        protocol.open_connections = open_connections
        protocol.watch = watch
        protocol.idle_ticks = protocol.timeout_keep_alive / tick
        return protocol

    return make

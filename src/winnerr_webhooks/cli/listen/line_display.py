"""Displays of `listen` without a table: a line for each answer, for people or for scripts."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from winnerr_webhooks.cli.json_output import json_line
from winnerr_webhooks.cli.listen.listener_values import OpenListener, Row
from winnerr_webhooks.domain.diagnosis import diagnose
from winnerr_webhooks.domain.event import rfc3339_ms

if TYPE_CHECKING:
    from winnerr_webhooks.cli.listen.listen_session import ListenSession


class JsonLines:
    """One JSON object a line: `ready`, `delivery`, `lost`, `connected`."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._listener: OpenListener | None = None

    def start(self, session: "ListenSession") -> None:
        """Begin."""
        self._forward_to = session.request.forward_to

    def connected(self, listener: OpenListener) -> None:
        """Print what a script needs to verify requests; later only that it goes on."""
        if self._listener == listener:
            self._print(type="connected")
            return
        self._listener = listener
        self._print(
            type="ready",
            webhookId=listener.id,
            organizationId=listener.organization_id,
            events=listener.events,
            forwardTo=self._forward_to,
            secret=listener.secret,
        )

    def lost(self, reason: str) -> None:
        """Print why no deliveries come."""
        self._print(type="lost", reason=reason)

    def changed(self, row: Row) -> None:
        """Print a delivery once its answer is recorded."""
        exchange = row.exchange
        if exchange is None or not row.is_recorded or row.note:
            return
        failure = exchange.failure
        self._print(
            type="delivery",
            deliveryId=row.offer.delivery_id,
            eventId=row.offer.event_id,
            event=row.offer.event,
            attempt=row.offer.attempt,
            startedAt=rfc3339_ms(row.started_at),
            status=exchange.status,
            durationMs=round(exchange.duration_ms, 3),
            error=failure and {"kind": failure.kind, "message": failure.message},
        )

    def close(self) -> None:
        """End."""

    def _print(self, **fields: object) -> None:
        self._output.write(json_line(fields) + "\n")
        self._output.flush()


class PlainLines:
    """A line for each delivery, where there is no terminal."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._listener: OpenListener | None = None

    def start(self, session: "ListenSession") -> None:
        """Begin."""
        self._forward_to = session.request.forward_to

    def connected(self, listener: OpenListener) -> None:
        """Print where events go, and the secret."""
        if self._listener == listener:
            self._print("Connected again.")
            return
        self._listener = listener
        self._print(
            f"Listening for {', '.join(listener.events)} of {listener.organization_id}. "
            f"Forwarding to {self._forward_to}."
        )
        self._print(f"Secret: {listener.secret or 'none, requests are not signed'}")

    def lost(self, reason: str) -> None:
        """Print why no deliveries come."""
        self._print(f"{reason} Connecting again.")

    def changed(self, row: Row) -> None:
        """Print a delivery once its answer is recorded."""
        exchange = row.exchange
        if exchange is None or not row.is_recorded or row.note:
            return
        self._print(
            f"{local_time(row.started_at)}  {row.offer.event:<26} {row.result:>8} "
            f"{exchange.duration_ms:>7.0f} ms"
        )
        if not row.succeeded:
            self._print(f"          {remedy(row, self._forward_to)}")

    def close(self) -> None:
        """End."""

    def _print(self, line: str) -> None:
        self._output.write(line + "\n")
        self._output.flush()


def local_time(ms: int) -> str:
    """Return the time of day here."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC).astimezone():%H:%M:%S}"


def remedy(row: Row, forward_to: str) -> str:
    """Return what is wrong with an answer, and what to do."""
    exchange = row.exchange
    if exchange is None or row.succeeded:
        return ""
    failure = exchange.failure
    if exchange.status is None and failure is not None:
        if failure.code == "refused":
            return f"Nothing listens at {forward_to}: start your receiver, then replay."
        if failure.kind == "blocked":
            return "This is not a loopback address: see --allow-external."
    found = diagnose(
        kind="status" if exchange.status is not None else failure.kind if failure else "protocol",
        code=failure.code if failure else "",
        phase=failure.phase if failure else "",
        status=exchange.status,
        response_head=exchange.response_head,
        response_body=exchange.response_body,
        url=forward_to,
    )
    return f"{found.summary} {found.hint}"

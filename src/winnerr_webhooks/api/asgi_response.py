"""Complete responses of the ASGI handlers that work without Litestar: events and probes."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from winnerr_webhooks.api.problems import HEADERS, SAFE_HEADERS, ErrorAnswer

Send = Callable[[Any], Awaitable[None]]


async def send_response(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    """Send a whole response (ASGI)."""
    await _send(send, status, body, ((b"content-type", content_type), *SAFE_HEADERS))


async def send_problem(send: Send, answer: ErrorAnswer) -> None:
    """Send an error as a problem (RFC 9457)."""
    own = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await _send(send, answer.problem.status, answer.body, (*HEADERS, *own))


async def _send(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> None:
    lines = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})

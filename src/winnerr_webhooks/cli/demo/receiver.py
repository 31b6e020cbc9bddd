"""The demo's receiver: verifies every signature, as the documentation tells receivers to."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from winnerr_webhooks.cli.demo.planned_failures import Behaviour, behaviour
from winnerr_webhooks.clock import Clock

_TOLERANCE_SECONDS = 300
_MAX_BODY = 1 << 20

Headers = dict[str, str]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request that arrived, and how it was answered."""

    receiver: str
    event: str
    delivery: str
    attempt: int
    verified: bool
    """Whether both signatures are valid."""
    duplicate: bool
    """Whether a request of the same delivery was answered with success before."""
    behaviour: Behaviour


class Receiver:
    """An HTTP server on 127.0.0.1 with a receiver at each path.

    `secrets` maps paths (`team-chat`) to signing secrets. Other paths are answered with 404.
    """

    def __init__(self, clock: Clock, on_arrival: Callable[[Arrival], None]) -> None:
        self.secrets: dict[str, str] = {}
        self.port = 0
        self._clock = clock
        self._on_arrival = on_arrival
        self._delivered: set[str] = set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections."""
        if self._server:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path, headers = _parse(head)
                length = min(int(headers.get("content-length", "0")), _MAX_BODY)
                answer = await self._answer(path, headers, await reader.readexactly(length))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            pass  # the other side closed the connection, or does not speak HTTP
        finally:
            writer.close()

    async def _answer(self, path: str, headers: Headers, body: bytes) -> bytes:
        receiver = path.strip("/")
        secret = self.secrets.get(receiver)
        if secret is None:
            return _response(Behaviour(404))
        delivery = headers.get("x-winnerr-delivery", "")
        attempt = int(headers.get("x-winnerr-attempt", "1"))
        verified = verify(secret, headers, body, self._clock.now_ms() / 1000)
        does = behaviour(receiver, delivery, attempt) if verified else Behaviour(401)
        if does.wait:
            await asyncio.sleep(does.wait)
        arrival = Arrival(
            receiver=receiver,
            event=headers.get("x-winnerr-event", ""),
            delivery=delivery,
            attempt=attempt,
            verified=verified,
            duplicate=delivery in self._delivered,
            behaviour=does,
        )
        if does.status == HTTPStatus.OK:
            self._delivered.add(delivery)
        self._on_arrival(arrival)
        return _response(does)


def verify(secret: str, headers: Headers, body: bytes, now: float) -> bool:
    """Whether both signatures of the raw body are valid; `now` is in seconds since 1970."""
    return _winnerr(secret, headers, body) and _standard(secret, headers, body, now)


def _winnerr(secret: str, headers: Headers, body: bytes) -> bool:
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get("x-winnerr-signature", "").encode(), expected.encode())


def _standard(secret: str, headers: Headers, body: bytes, now: float) -> bool:
    """Check Standard Webhooks 1.0: HMAC over `id.timestamp.body`, and a recent timestamp."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > _TOLERANCE_SECONDS:
        return False
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(one.encode(), expected) for one in given)


def _parse(head: bytes) -> tuple[str, Headers]:
    """Return the path and the headers of a request's head, with names in lower case."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    _, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return path, {name.lower(): value.strip() for name, _, value in pairs}


def _response(does: Behaviour) -> bytes:
    status = HTTPStatus(does.status)
    body = f'{{"received": {str(status == HTTPStatus.OK).lower()}}}'
    retry_after = f"Retry-After: {does.retry_after}\r\n" if does.retry_after else ""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"{retry_after}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()

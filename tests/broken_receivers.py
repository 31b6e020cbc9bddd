"""Real receivers on 127.0.0.1: one that is right, and others that are wrong in one way each."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, always").decode()
KNOWN = "contact.created"
Headers = dict[str, str]


class Receiver:
    """Verifies both signatures of the raw body and the time, and accepts everything genuine."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[Headers, bytes]] = []

    async def answer(self, headers: Headers, reader: asyncio.StreamReader) -> int:
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        if not self.is_genuine(headers, body):
            return 401
        return await self.handle(headers, json.loads(body))

    def is_genuine(self, headers: Headers, body: bytes) -> bool:
        return self.is_signed(headers, body) and self.is_recent(headers)

    def is_signed(self, headers: Headers, body: bytes) -> bool:
        own = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(base64.b64decode(SECRET[6:]), content, hashlib.sha256).digest()
        standard = "v1," + base64.b64encode(digest).decode()
        return (
            own == headers["x-winnerr-signature"]
            and standard in headers["webhook-signature"].split()
        )

    def is_recent(self, headers: Headers) -> bool:
        return abs(time.time() - int(headers["webhook-timestamp"])) < 300

    async def handle(self, headers: Headers, event: dict) -> int:
        return 200


class NoSignatureCheck(Receiver):
    def is_genuine(self, headers: Headers, body: bytes) -> bool:
        return True


class NoTimeCheck(Receiver):
    def is_recent(self, headers: Headers) -> bool:
        return True


class VerifiesWrittenAgain(Receiver):
    """As Express with express.json() and JSON.stringify(req.body)."""

    def is_signed(self, headers: Headers, body: bytes) -> bool:
        again = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
        return super().is_signed(headers, again.encode())


class FailsOnUnknownEvent(Receiver):
    async def handle(self, headers: Headers, event: dict) -> int:
        return 200 if event["event"] == KNOWN else 500


class NotIdempotent(Receiver):
    """Stores each delivery under its id, and fails where there is one already."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: set[str] = set()

    async def handle(self, headers: Headers, event: dict) -> int:
        delivery = headers["x-winnerr-delivery"]
        if delivery in self.stored:
            return 500
        self.stored.add(delivery)
        return 200


class RefusesOlderEvents(Receiver):
    newest = ""

    async def handle(self, headers: Headers, event: dict) -> int:
        if event["timestamp"] < self.newest:
            return 409
        self.newest = event["timestamp"]
        return 200


class BodyLimit(Receiver):
    """As express.json(), whose limit is 100 KiB unless it is set."""

    async def answer(self, headers: Headers, reader: asyncio.StreamReader) -> int:
        if int(headers["content-length"]) > 100 * 1024:
            return 413
        return await super().answer(headers, reader)


class AnswersSlowly(Receiver):
    """Does its work before it answers; `seconds` is longer than half of the time it has."""

    seconds = 0.6

    async def handle(self, headers: Headers, event: dict) -> int:
        await asyncio.sleep(self.seconds)
        return 200


class ReadsSlowly(Receiver):
    """Reads 16 KiB at a time, with a pause after each."""

    async def answer(self, headers: Headers, reader: asyncio.StreamReader) -> int:
        left = int(headers["content-length"])
        while left > 16_384:
            left -= len(await reader.readexactly(16_384))
            await asyncio.sleep(0.2)
        return await super().answer(headers | {"content-length": str(left)}, reader)


class RaisesOnForgery(Receiver):
    """Its code raises an error where it should refuse."""

    async def answer(self, headers: Headers, reader: asyncio.StreamReader) -> int:
        status = await super().answer(headers, reader)
        return 500 if status == 401 else status


@asynccontextmanager
async def serving(make: Callable[[], Receiver]) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port; connections are kept alive."""
    receiver = make()
    open_connections: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                pairs = (line.partition(":") for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                status = await receiver.answer(headers, reader)
                close = "Connection: close\r\n" if status == 413 else ""
                writer.write(f"HTTP/1.1 {status} X\r\n{close}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
                if close:
                    return
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            open_connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=16_384)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for writer in list(open_connections):
            writer.close()
        await server.wait_closed()

"""Keep-alive clients that post one event after another; a raw protocol, so that it costs little.

Usage: load.py PORT KEY CLIENTS EVENTS. Prints JSON: seconds, how many of which status, and the
milliseconds below which half and 99 % of the answers came.
"""

import asyncio
import json
import sys
import time

import uvloop


class Client(asyncio.Protocol):
    def __init__(self, run):
        self.run = run

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""
        self.next()

    def next(self):
        if self.run.left == 0:
            self.transport.close()
            return
        self.run.left -= 1
        self.sent = time.perf_counter()
        self.transport.write(self.run.request)

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        lower = self.buffer[:end].lower()
        at = lower.find(b"content-length: ") + 16
        length = int(lower[at:].split(b"\r", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        self.run.answered(self.buffer[9:12], time.perf_counter() - self.sent)
        self.buffer = b""
        self.next()


class Run:
    def __init__(self, request, events):
        self.request = request
        self.left = self.missing = events
        self.statuses = {}
        self.times = []
        self.done = asyncio.Event()

    def answered(self, status, seconds):
        self.times.append(seconds)
        self.statuses[status.decode()] = self.statuses.get(status.decode(), 0) + 1
        self.missing -= 1
        if not self.missing:
            self.done.set()


async def main():
    port, key, clients, events = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    body = json.dumps(
        {
            "event": "contact.created",
            "organizationId": "org_bench",
            "data": {
                "id": "contact_xyz",
                "name": "Jane Smith",
                "email": "jane@example.com",
                "company": {"id": "company_abc", "name": "Example Ltd"},
                "tags": ["lead", "newsletter"],
                "score": 87.5,
            },
        }
    ).encode()
    request = (
        b"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (port, key.encode(), len(body))
    ) + body
    run = Run(request, events)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(clients):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", port)
    await asyncio.wait_for(run.done.wait(), 300)
    seconds = time.perf_counter() - started
    times = sorted(run.times)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "statuses": run.statuses,
                "p50_ms": times[len(times) // 2] * 1000,
                "p99_ms": times[len(times) * 99 // 100] * 1000,
            }
        )
    )


uvloop.run(main())

"""Isolation: 1,000 webhooks of 1,000 organizations, some hanging: what others notice.

Usage: isolation.py [--hanging N] [--rate N] [--seconds N] [--rounds N]. Events go out at a steady
rate, open loop, each to one webhook in turn; the receiver notes how long after its sending each
arrived. Rounds with and without hanging receivers take turns on fresh servers; the ratio of the
healthy ones' p99 is the result.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from common import Server, answers, free_port, get, until

WEBHOOKS = 1000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver(asyncio.Protocol):
    """Answers /hook at once and /hang never; GET tells the milliseconds each event took."""

    times: list[float] = []

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        if self.buffer.startswith(b"GET"):
            body = json.dumps(Receiver.times).encode()
            Receiver.times.clear()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.transport.write(head + body)
            self.buffer = b""
            return
        at = self.buffer.find(b"Content-Length: ") + 16
        whole = end + 4 + int(self.buffer[at : self.buffer.find(b"\r", at)])
        if len(self.buffer) < whole:
            return
        if self.buffer.startswith(b"POST /hook"):
            sent = json.loads(self.buffer[end + 4 : whole])["data"]["sent"]
            Receiver.times.append((time.monotonic() - sent) * 1000)
            self.transport.write(OK)
        self.buffer = b""


async def receive(port):
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


class Sender(asyncio.Protocol):
    """One keep-alive connection of the load; free when its answer has come."""

    def __init__(self, free):
        self.free = free

    def connection_made(self, transport):
        self.transport = transport
        self.free.append(self)

    def data_received(self, data):
        assert data.startswith(b"HTTP/1.1 202"), data
        self.free.append(self)


async def load(port, key, rate, seconds):
    free: list[Sender] = []
    loop = asyncio.get_running_loop()
    for _ in range(64):
        await loop.create_connection(lambda: Sender(free), "127.0.0.1", port)
    started = time.monotonic()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        while (wait := due - time.monotonic()) > 0 or not free:
            await asyncio.sleep(max(wait, 0.0005))
        body = json.dumps(
            {
                "event": "contact.created",
                "organizationId": f"org_{number % WEBHOOKS}",
                "data": {"sent": due},
            }
        ).encode()
        head = (
            f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        free.pop().transport.write(head.encode() + body)
    while len(free) < 64:
        await asyncio.sleep(0.01)


def run_round(hanging, rate, seconds):
    """The healthy receivers' milliseconds from sending to arrival, sorted."""
    port = free_port()
    receiver = subprocess.Popen([sys.executable, __file__, "receive", str(port)])
    try:
        base = f"http://127.0.0.1:{port}"
        until(lambda: answers(base))
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder))
            try:
                for number in range(WEBHOOKS):
                    hangs = number * hanging // WEBHOOKS != (number + 1) * hanging // WEBHOOKS
                    server.webhook(f"org_{number}", f"{base}/{'hang' if hangs else 'hook'}")
                uvloop.run(load(server.port, server.key, rate, 2 * WEBHOOKS / rate))  # warm up
                healthy = 2 * (WEBHOOKS - hanging)
                seen = []
                until(lambda: seen.extend(json.loads(get(base))) or len(seen) >= healthy)
                seen.clear()
                uvloop.run(load(server.port, server.key, rate, seconds))
                expected = sum(
                    (n % WEBHOOKS) * hanging // WEBHOOKS == (n % WEBHOOKS + 1) * hanging // WEBHOOKS
                    for n in range(int(rate * seconds))
                )
                until(lambda: seen.extend(json.loads(get(base))) or len(seen) >= expected)
            finally:
                server.stop()
        return sorted(seen)
    finally:
        receiver.terminate()
        receiver.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hanging", type=int, default=10)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios = []
    for number in range(options.rounds):
        p99 = []
        for hanging in (0, options.hanging):
            times = run_round(hanging, options.rate, options.seconds)
            p99.append(times[len(times) * 99 // 100])
            print(
                f"round {number + 1}, {hanging:>3} of {WEBHOOKS} hang: {len(times)} healthy, "
                f"p50 {times[len(times) // 2]:.2f} ms, p99 {p99[-1]:.2f} ms, max {times[-1]:.1f} ms"
            )
        ratios.append(p99[1] / p99[0])
    print(f"p99 with {options.hanging} hanging is {statistics.median(ratios):.2f} times (median).")


if __name__ == "__main__":
    if sys.argv[1:2] == ["receive"]:
        uvloop.run(receive(int(sys.argv[2])))
    else:
        main()

"""The two ends of a cluster under test, a receiver and a load, each a process of its own.

`traffic.py receive PORT`: a receiver that keeps every request and answers by a plan.

    POST /NAME            a delivery; answered by the plan of that name, or with 200 at once
    PUT /plans/NAME       a plan: {"status": 200, "delay": 0.0, "first": 500, "hang": false}, where
                          `first` is the status for a delivery's first attempt, and `delay` seconds
    GET /taken?FROM       the requests from number FROM on, one a line: see `Taken`
    GET /count/NAME       how many requests that path got
    GET /count            how many requests came in all

`traffic.py load`, with its orders as JSON on stdin: sends `rate` events a second for `seconds`
seconds, the first one number `first`, to the ports in turn, over `connections` to each, and
repeats each with its id until it is accepted. The events are of `organizations` organizations in
turn, from `prefix`_0 on. A call is given up after `patience` seconds. Prints JSON when all are
accepted: see `Sent`.

All times are seconds of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter, deque
from typing import Any, ClassVar, NamedTuple

import uvloop

REPEAT_AFTER = 0.25
"""Seconds until an event that was answered 503 is sent again. It is shorter than the Retry-After,
so that many calls arrive just when the service is back."""
RECONNECT_AFTER = 0.05
GIVE_UP_AFTER = 240.0


class Taken(NamedTuple):
    """A request as the receiver kept it."""

    at: float
    port: int
    """The sender's port."""
    name: str
    delivery: str
    event: str
    attempt: int
    status: int
    """The status of the planned answer; 0 for none."""


class Sent(NamedTuple):
    """The result of a load."""

    accepted: dict[str, tuple[str, int, float, float]]
    """By the caller's id: the event's id, its deliveries, when it was due, and when accepted."""
    refused: list[tuple[float, float, str | None]]
    """Each answer of 503: when, after how many seconds, and its Retry-After."""
    slowest: float
    """Seconds the slowest of all answers took."""
    broken: int
    """Calls whose connection was lost before the answer."""
    overdue: int
    """Calls given up."""
    repeats: int
    """Answers that said `duplicate`."""


# --- the receiver -----------------------------------------------------------------------------


class Receiver(asyncio.Protocol):
    plans: ClassVar[dict[str, dict[str, Any]]] = {}
    taken: ClassVar[list[Taken]] = []
    counts: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("peername")[1]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1").split("\r\n")
            fields = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head)
            }
            whole = end + 4 + int(fields.get("content-length", 0))
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4 : whole], self.buffer[whole:]
            method, path, _ = head[0].split(" ")
            if method == "POST":
                self.deliver(path[1:], fields)
            else:
                self.answer(200, self.asked(method, path, body))

    def deliver(self, name: str, fields: dict[str, str]) -> None:
        plan = self.plans.get(name, {})
        attempt = int(fields["x-winnerr-attempt"])
        status = plan.get("first", 200) if attempt == 1 else 200
        status = 0 if plan.get("hang") else plan.get("status", status)
        delivery, event = fields["x-winnerr-delivery"], fields["webhook-id"]
        now = time.monotonic()
        self.taken.append(Taken(now, self.port, name, delivery, event, attempt, status))
        self.counts[name] += 1
        if not status:
            return
        if delay := plan.get("delay", 0.0):
            asyncio.get_running_loop().call_later(delay, self.answer, status, b"ok")
        else:
            self.answer(status, b"ok")

    def asked(self, method: str, path: str, body: bytes) -> bytes:
        if method == "PUT":
            self.plans[path.removeprefix("/plans/")] = json.loads(body)
            return b"{}"
        if path == "/count":
            return b"%d" % len(self.taken)
        if path.startswith("/count/"):
            return b"%d" % self.counts[path.removeprefix("/count/")]
        start = int(path.partition("?")[2] or 0)
        return "\n".join(json.dumps(one) for one in self.taken[start:]).encode()

    def answer(self, status: int, body: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %d Planned\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            self.transport.write(head + body)


async def receive(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", port, backlog=2048)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


# --- the load ---------------------------------------------------------------------------------


class Load:
    """Events in the order in which they are due, and connections that are free to take one."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders = orders
        self.first = orders.get("first", 0)
        self.prefix = orders.get("prefix", "org")
        self.count = round(orders["rate"] * orders["seconds"])
        self.due: deque[int] = deque()
        self.free: list[Client] = []
        self.accepted: dict[str, tuple[str, int, float, float]] = {}
        self.refused: list[tuple[float, float, str | None]] = []
        self.slowest = 0.0
        self.broken = self.overdue = self.repeats = 0
        self.started = 0.0
        self.done = asyncio.Event()
        self.failure = ""
        self.loop = asyncio.get_running_loop()

    async def run(self) -> Sent:
        tasks = [
            self.loop.create_task(self.keep_connected(port))
            for _ in range(self.orders.get("connections", 16))
            for port in self.orders["ports"]
        ]
        tasks.append(self.loop.create_task(self.tick()))
        self.started = time.monotonic()
        try:
            async with asyncio.timeout(self.orders["seconds"] + GIVE_UP_AFTER):
                await self.done.wait()
        except TimeoutError:
            self.failure = f"only {len(self.accepted)} of {self.count} were accepted"
        for task in tasks:
            task.cancel()
        if self.failure:
            raise SystemExit(self.failure)
        return Sent(
            self.accepted, self.refused, self.slowest, self.broken, self.overdue, self.repeats
        )

    async def tick(self) -> None:
        """Make events due."""
        made, rate = 0, self.orders["rate"]
        while made < self.count:
            due = min(int((time.monotonic() - self.started) * rate) + 1, self.count)
            self.due.extend(range(made, due))
            made = due
            self.send()
            await asyncio.sleep(max(self.started + made / rate - time.monotonic(), 0.0005))

    async def keep_connected(self, port: int) -> None:
        while True:
            lost = self.loop.create_future()
            with contextlib.suppress(OSError):
                await self.loop.create_connection(lambda: Client(self, lost), "127.0.0.1", port)  # noqa: B023  awaited here
                await lost
            await asyncio.sleep(RECONNECT_AFTER)

    def send(self) -> None:
        while self.due and self.free:
            self.free.pop(0).send(self.due.popleft())

    def again(self, number: int, after: float = 0.0) -> None:
        self.loop.call_later(after, self.put_back, number)

    def put_back(self, number: int) -> None:
        self.due.appendleft(number)
        self.send()

    def request(self, number: int) -> bytes:
        organization = f"{self.prefix}_{number % self.orders.get('organizations', 1)}"
        body = (
            f'{{"event":"deal.stage_changed","organizationId":"{organization}",'
            f'"data":{{"n":{number}}},"id":"crm-{self.first + number}"}}'
        )
        return (
            "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self.orders['key']}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def answered(self, number: int, seconds: float, head: str, body: bytes) -> None:
        now = time.monotonic()
        self.slowest = max(self.slowest, seconds)
        status = head[9:12]
        if status == "202":
            reply = json.loads(body)
            due = self.started + number / self.orders["rate"]
            key = f"crm-{self.first + number}"
            self.accepted[key] = (reply["id"], reply["deliveries"], due, now)
            self.repeats += reply["duplicate"]
            if len(self.accepted) == self.count:
                self.done.set()
        elif status == "503":
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            self.refused.append((now, seconds, fields.get("retry-after")))
            self.again(number, REPEAT_AFTER)
        else:
            self.failure = f"{head}\n{body.decode()}"
            self.done.set()


class Client(asyncio.Protocol):
    """A connection, with one event under way at most."""

    def __init__(self, load: Load, lost: "asyncio.Future[None]") -> None:
        self.load = load
        self.lost = lost
        self.number: int | None = None
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.free.append(self)
        self.load.send()

    def send(self, number: int) -> None:
        self.number = number
        self.sent_at = time.monotonic()
        self.transport.write(self.load.request(number))
        self.timer = self.load.loop.call_later(self.load.orders.get("patience", 5.0), self.give_up)

    def give_up(self) -> None:
        self.load.overdue += 1
        self.load.broken -= 1
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].decode("latin-1")
        at = head.lower().index("content-length: ") + 16
        whole = end + 4 + int(head[at:].partition("\r")[0])
        if len(self.buffer) < whole:
            return
        body, self.buffer = self.buffer[end + 4 : whole], b""
        number, self.number = self.number, None
        self.timer.cancel()
        assert number is not None
        self.load.answered(number, time.monotonic() - self.sent_at, head, body)
        self.load.free.append(self)
        self.load.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.load.free:
            self.load.free.remove(self)
        if self.number is not None:
            self.timer.cancel()
            self.load.broken += 1
            self.load.again(self.number)
        if not self.lost.done():
            self.lost.set_result(None)


async def load() -> None:
    print(json.dumps(await Load(json.load(sys.stdin)).run()))


if __name__ == "__main__":
    uvloop.run(receive(int(sys.argv[2])) if sys.argv[1] == "receive" else load())

"""The victim: posts events at a steady rate whatever the service does, and looks at its probes.

Usage: victim.py, with its orders as JSON on stdin:

port       of the service, on 127.0.0.1
seconds    how long requests are begun
streams    [{"name", "key", "organization", "rate", "batch"}, …]: `rate` requests a second,
           `batch` events in each; the events say when they were due, for the receiver
probes     [{"name", "path", "cookie"}, …]: GETs, one after the other, each on a new connection

Prints JSON: by the name of each, `statuses` (of an answer that did not come: `timeout`,
`closed`), `errors` (events of a batch that were refused) and `ms` (p50, p95, p99, max). A
request's time counts from when it was due; what was not answered counts with the whole timeout.
"""

import asyncio
import json
import sys

from load import DATA, STAMP_BASE, spread
from wire import CLOSED, UNANSWERED, Connection, message, raise_descriptors

CONNECTIONS = 64
"""Of a stream. When all of them wait for an answer, the next requests wait too, and are late."""
TIMEOUT = 10.0
PAUSE = 0.25
"""Seconds between two looks at a probe."""


class Measured:
    def __init__(self):
        self.statuses = {}
        self.errors = 0
        self.times = []

    def add(self, answer, seconds):
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        self.errors += answer.body.count(b'{"error"')
        self.times.append(TIMEOUT if answer.status in (CLOSED, UNANSWERED) else seconds)

    def told(self):
        return {"statuses": self.statuses, "errors": self.errors, "ms": spread(self.times)}


class Stream:
    """Requests that go out at their times, answered or not."""

    def __init__(self, orders, port):
        self.orders = orders
        self.port = port
        self.free = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self.free.put_nowait(Connection(port))
        self.measured = Measured()

    async def run(self, seconds):
        loop = asyncio.get_running_loop()
        rate = self.orders["rate"]
        started = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(max(round(rate * seconds), 1)):
                due = started + number / rate
                await asyncio.sleep(due - loop.time())
                group.create_task(self.post(due))

    async def post(self, due):
        loop = asyncio.get_running_loop()
        connection = await self.free.get()
        answer = await connection.ask(self.message(due), due + TIMEOUT)
        self.free.put_nowait(connection)
        self.measured.add(answer, loop.time() - due)

    def message(self, due):
        sent = STAMP_BASE + int(due * 1e6)
        organization, count = self.orders["organization"], self.orders["batch"]
        event = (
            f'{{"event":"contact.created","organizationId":"{organization}","data":{DATA},'
            f'"sent":{sent}}}}}'
        )
        body = event if count == 1 else f"[{','.join([event] * count)}]"
        path = "/api/v1/events" if count == 1 else "/api/v1/events/batch"
        key = {"Authorization": f"Bearer {self.orders['key']}"}
        return message(self.port, "POST", path, key, body.encode())


class Probe:
    """Looks at one path again and again."""

    def __init__(self, orders, port):
        self.orders = orders
        self.port = port
        self.measured = Measured()

    async def run(self, seconds):
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        cookie = self.orders.get("cookie")
        headers = {"Cookie": cookie} if cookie else {}
        get = message(self.port, "GET", self.orders["path"], headers)
        while loop.time() < end:
            began = loop.time()
            connection = Connection(self.port)
            answer = await connection.ask(get, began + TIMEOUT)
            connection.close()
            self.measured.add(answer, loop.time() - began)
            await asyncio.sleep(PAUSE)


async def main():
    orders = json.load(sys.stdin)
    port, seconds = orders["port"], orders["seconds"]
    raise_descriptors()
    parts = {one["name"]: Stream(one, port) for one in orders["streams"]}
    parts |= {one["name"]: Probe(one, port) for one in orders["probes"]}
    await asyncio.gather(*[part.run(seconds) for part in parts.values()])
    print(json.dumps({name: part.measured.told() for name, part in parts.items()}))


if __name__ == "__main__":
    asyncio.run(main())

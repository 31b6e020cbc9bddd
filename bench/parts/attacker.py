"""The attacker: does to the service what one client may do, for as long as it is let.

Usage: attacker.py, with its orders as JSON on stdin: `mode`, `port`, `clients` (connections) and

batches    `key`, `organization`, `events`: batches in a closed loop, each again until it is
           accepted
flood      single events with keys that nobody has
read       `path`, `cookie`: a page in a closed loop
hold       `head` (the lines of a request; empty: none), `bytes` (of a body that is announced with
           one more): connections that send this and then nothing; closed ones are reopened
manage     `key`, `organization`, `url`: one client asks for an event, the others make webhooks
           and delete them

SIGUSR1 ends what is counted. With `finish` it ends the attack as well: what was begun is tried on
for that many seconds, then the attacker ends. Without it, it ends at SIGTERM. It prints JSON:
`statuses` by the name of what was asked, `ms` of each (p50, p95, p99, max), and of batches `begun`
and `accepted`, of connections those `held` at the end of counting and those `turned_away`.
"""

import asyncio
import json
import secrets
import signal
import sys

from load import DATA, spread
from wire import Connection, message, raise_descriptors

PATIENCE = 120.0
"""Seconds an answer may take."""
PAUSE = 0.2
"""Seconds after a refusal."""


class Attacker:
    def __init__(self, orders):
        self.orders = orders
        self.port = orders["port"]
        self.counting = True
        self.counts = {"begun": 0, "accepted": 0, "errors": 0, "held": 0, "turned_away": 0}
        self.held = 0
        self.statuses = {}
        self.times = {}
        self.tasks = []

    async def run(self):
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, self.count_no_more)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        attack = getattr(self, self.orders["mode"])
        self.tasks = [
            asyncio.create_task(attack(number)) for number in range(self.orders["clients"])
        ]
        ends = [asyncio.create_task(stop.wait()), asyncio.gather(*self.tasks)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.result()  # raises what went wrong
        self.count_no_more()
        return {
            **self.counts,
            "statuses": self.statuses,
            "ms": {name: spread(times) for name, times in self.times.items()},
        }

    def count_no_more(self):
        if self.counting:
            self.counts["held"] = self.held
            self.counting = False
            if finish := self.orders.get("finish"):
                asyncio.get_running_loop().call_later(finish, self.give_up)

    def give_up(self):
        for task in self.tasks:
            task.cancel()

    def counts_still(self):
        """Whether an answer counts: also after the end, of what is only finished."""
        return self.counting or bool(self.orders.get("finish"))

    def goes_on(self):
        """Whether to begin anything new."""
        return self.counting or not self.orders.get("finish")

    async def ask(self, connection, name, bytes_, pause=PAUSE):
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await connection.ask(bytes_, began + PATIENCE)
        if self.counts_still():
            of_it = self.statuses.setdefault(name, {})
            of_it[answer.status] = of_it.get(answer.status, 0) + 1
            self.times.setdefault(name, []).append(loop.time() - began)
        if answer.status[0] != "2":
            await asyncio.sleep(pause)
        return answer

    def event(self):
        return (
            f'{{"event":"contact.created","organizationId":"{self.orders["organization"]}",'
            f'"data":{DATA}}}}}'
        )

    def call(self, method, path, body="", key=""):
        headers = {"Authorization": f"Bearer {key or self.orders['key']}"}
        return message(self.port, method, path, headers, body.encode())

    async def batches(self, _number):
        events = ",".join([self.event()] * self.orders["events"])
        post = self.call("POST", "/api/v1/events/batch", f"[{events}]")
        connection = Connection(self.port)
        while self.goes_on():
            self.counts["begun"] += self.counting
            answer = await self.ask(connection, "batch", post)
            while answer.status != "202":
                answer = await self.ask(connection, "batch", post)
            if self.counts_still():
                self.counts["accepted"] += 1
                self.counts["errors"] += answer.body.count(b'{"error"')

    async def flood(self, _number):
        connection = Connection(self.port)
        while self.goes_on():
            key = f"wwk_{secrets.token_urlsafe(32)}"
            post = self.call("POST", "/api/v1/events", self.event(), key)
            await self.ask(connection, "event", post, pause=0)

    async def read(self, _number):
        cookie = {"Cookie": self.orders["cookie"]}
        get = message(self.port, "GET", self.orders["path"], cookie)
        connection = Connection(self.port)
        while self.goes_on():
            await self.ask(connection, "page", get)

    async def hold(self, _number):
        sent = self.orders["head"].encode()
        if sent:
            size = self.orders["bytes"]
            sent += b"Content-Length: %d\r\n\r\n" % (size + 1) + b"[".ljust(size)
        while True:
            connection = Connection(self.port)
            try:
                reader, writer = await connection.open()
                self.held += 1
                try:
                    writer.write(sent)
                    await reader.read(1)  # until an answer comes, or the end
                finally:
                    self.held -= 1
            except OSError:
                pass
            connection.close()
            self.counts["turned_away"] += self.counting
            await asyncio.sleep(PAUSE)

    async def manage(self, number):
        connection = Connection(self.port)
        base = f"/api/v1/organizations/{self.orders['organization']}"
        body = json.dumps({"url": self.orders["url"], "events": ["contact.deleted"]})
        if number == 0:
            post = self.call("POST", "/api/v1/events", self.event())
            posted = await self.ask(connection, "event", post)
            while posted.status != "202":
                posted = await self.ask(connection, "event", post)
            get = self.call("GET", f"{base}/events/{json.loads(posted.body)['id']}")
        while number == 0 and self.goes_on():
            await self.ask(connection, "get event", get)
        while self.goes_on():
            made = await self.ask(connection, "create", self.call("POST", f"{base}/webhooks", body))
            if made.status == "201":
                path = f"{base}/webhooks/{json.loads(made.body)['id']}"
                await self.ask(connection, "delete", self.call("DELETE", path))


async def main():
    raise_descriptors()
    print(json.dumps(await Attacker(json.load(sys.stdin)).run()))


if __name__ == "__main__":
    asyncio.run(main())

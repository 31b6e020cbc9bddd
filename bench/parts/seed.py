"""Fills a database through the storage's own verbs, with no server on it.

Usage: seed.py, with its orders as JSON on stdin; all but the first may be left out:

database_url    as in WINNERR_WEBHOOKS_DATABASE_URL
webhooks        [[organization number, url], …]: each wants every event, and signs
keys            [organization number, …]: an API key of each; null: a service key
copies          [[organization number, webhooks, status], …]: that many more of its first webhook,
                unsigned; written directly, because the storage makes a transaction for each
pending         [[organization number, events], …]: accepted, free and due now
pending_at_once events accepted in one transaction; default 1,000
attempts        [organizations, events]: accepted and delivered at once, the organizations from
                number 0 on in turn

Prints JSON: seconds, and keys by organization.
"""

import asyncio
import itertools
import json
import sys
import time

import apsw
import asyncpg
import uvloop

from winnerr_webhooks import config, storage_opener
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Timings
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import NewEvent, encode_payload, rfc3339
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.ids import Ids, delivery_id, new_secret
from winnerr_webhooks.management.api_keys import ApiKeys
from winnerr_webhooks.storage.road_values import LeaseTerms, Settlement
from winnerr_webhooks.storage.values import NewWebhook

BATCH = 1_000
DATA = (
    b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com","company":{"id":'
    b'"company_abc","name":"Example Ltd"},"tags":["lead","newsletter"],"score":87.5}'
)
FIRST = "SELECT * FROM webhook WHERE organization = {} ORDER BY number LIMIT 1"
SUBSCRIBE = "INSERT INTO subscription (organization, event, webhook_id) VALUES ({}, '*', {})"
SCHEMA = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'webhook'"
DELETED_AGO_MS = 60 * 24 * 3_600_000
"""So long ago that retention may take what is deleted."""
URL = "http://127.0.0.1:9/hook"
REQUEST_HEAD = (
    b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:9\r\nContent-Type: application/json\r\nAccept: */*"
    b"\r\nAccept-Encoding: identity\r\nUser-Agent: Winnerr-Webhooks/0.1.0\r\n"
).ljust(640, b"h")
"""As long as the head of a signed request."""


class Seeder:
    def __init__(self, storage):
        self.storage = storage
        self.clock = SystemClock()
        self.ids = Ids(self.clock)

    def event(self, number):
        organization = f"org_{number:06}"
        return NewEvent(
            id=self.ids.new("evt"),
            organization=organization,
            name="contact.created",
            body=encode_payload(
                "contact.created", rfc3339(self.clock.now_ms()), organization, DATA
            ),
        )

    async def webhooks(self, wanted):
        for batch in batches(wanted):
            await asyncio.gather(*[self.webhook(number, url) for number, url in batch])

    async def webhook(self, number, url):
        new = NewWebhook(
            id=self.ids.new("wh"),
            organization=f"org_{number:06}",
            url=url,
            description=None,
            events=("*",),
            secret=new_secret(),
        )
        await self.storage.create_webhook(new, 500)

    async def keys(self, numbers):
        keys = ApiKeys(self.storage, self.clock, self.ids)
        names = [None if number is None else f"org_{number:06}" for number in numbers]
        return {name or "": (await keys.create("bench", name)).secret for name in names}

    async def pending(self, number, count, at_once):
        for batch in batches(range(count), at_once):
            await self.storage.accept([self.event(number) for _ in batch], None)

    async def attempts(self, organizations, count):
        for batch in batches(range(count)):
            events = [self.event(number % organizations) for number in batch]
            accepted = await self.storage.accept(events, LeaseTerms(seconds=600))
            settlements = [
                self.delivered(delivery) for answer in accepted for delivery in answer.leased
            ]
            await self.storage.settle(settlements)

    def delivered(self, delivery: LeasedDelivery):
        exchange = Exchange(
            started_at=self.clock.now_ms(),
            duration_ms=1.2,
            timings=Timings(first_byte_ms=1.1),
            status=200,
            reason="OK",
            response_head=b"Content-Length: 2\r\n",
            response_body=b"ok",
        )
        record = AttemptRecord(
            id=self.ids.new("att"),
            outcome="succeeded",
            url=URL,
            request_head=REQUEST_HEAD,
            exchange=exchange,
        )
        return Settlement(delivery=delivery, record=record, verdict=Verdict(happened="success"))


def batches(items, size=BATCH):
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch


class Copies:
    """More of an organization's first webhook, as rows that differ in id and number alone."""

    def __init__(self, ids):
        self.ids = ids

    def rows(self, first, count, status):
        """Columns of `webhook` with their values, of each copy of the row `first`."""
        for number in range(2, count + 2):
            row = first | {"id": self.ids.new("wh"), "number": number, "status": status}
            if "suffix" in row:
                row["suffix"] = delivery_id("evt_", number)[-4:]
            if status == "deleted":
                row["updated_at"] -= DELETED_AGO_MS
            yield row | {"secret": None, "next_secret": None}

    def to_sqlite(self, path, wanted):
        db = apsw.Connection(path)
        db.set_busy_timeout(10_000)
        with db:
            for number, count, status in wanted:
                cursor = db.execute(FIRST.format("?"), (f"org_{number:06}",))
                names = [name for name, _ in cursor.getdescription()]
                rows = list(self.rows(dict(zip(names, next(cursor), strict=True)), count, status))
                cursor.close()
                db.executemany(insert(names, "?" * len(names)), [[*row.values()] for row in rows])
                if status == "active":
                    db.executemany(SUBSCRIBE.format(*"??"), subscribers(rows))
        db.close()

    async def to_postgres(self, url, wanted):
        db = await asyncpg.connect(url)
        schema = await db.fetchval(SCHEMA)
        await db.execute(f"SET search_path = {schema}")
        for number, count, status in wanted:
            first = dict(await db.fetchrow(FIRST.format("$1"), f"org_{number:06}"))
            rows = list(self.rows(first, count, status))
            places = [f"${place}" for place in range(1, len(first) + 1)]
            await db.executemany(insert(first, places), [[*row.values()] for row in rows])
            if status == "active":
                await db.executemany(SUBSCRIBE.format("$1", "$2"), subscribers(rows))
        await db.close()


def insert(names, places):
    return f"INSERT INTO webhook ({', '.join(names)}) VALUES ({', '.join(places)})"


def subscribers(rows):
    return [(row["organization"], row["id"]) for row in rows]


async def copy(ids, database_url, wanted):
    if not wanted:
        return
    copies = Copies(ids)
    if database_url.startswith("sqlite:///"):
        copies.to_sqlite(database_url.removeprefix("sqlite:///"), wanted)
    else:
        await copies.to_postgres(database_url, wanted)


async def main():
    orders = json.load(sys.stdin)
    settings = config.load(config.environment(), {"database_url": orders["database_url"]})
    storage = await storage_opener.open_storage(settings, exclusive=True)
    started = time.monotonic()
    try:
        seeder = Seeder(storage)
        keys = await seeder.keys(orders.get("keys", []))
        await seeder.webhooks(orders.get("webhooks", []))
        await copy(seeder.ids, orders["database_url"], orders.get("copies", []))
        at_once = orders.get("pending_at_once", BATCH)
        for number, count in orders.get("pending", []):
            await seeder.pending(number, count, at_once)
        if "attempts" in orders:
            await seeder.attempts(*orders["attempts"])
    finally:
        await storage.close()
    print(json.dumps({"seconds": time.monotonic() - started, "keys": keys}))


if __name__ == "__main__":
    uvloop.run(main())

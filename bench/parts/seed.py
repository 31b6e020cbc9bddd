"""Fills a database through the storage's own verbs, with no server on it.

Usage: seed.py, with its orders as JSON on stdin; all but the first may be left out:

database_url    as in WINNERR_WEBHOOKS_DATABASE_URL
webhooks        [[organization number, url], …]: each wants every event, and signs
pending         [organization number, events]: accepted, free and due now
attempts        [organizations, events]: accepted and delivered at once, the organizations from
                number 0 on in turn

Prints JSON: seconds.
"""

import asyncio
import itertools
import json
import sys
import time

import uvloop

from winnerr_webhooks import config, wiring
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Timings
from winnerr_webhooks.domain.event import LeasedDelivery, NewEvent, freeze, rfc3339
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.ids import Ids, new_secret
from winnerr_webhooks.storage.values import LeaseTerms, NewWebhook, Settlement

BATCH = 1_000
DATA = (
    b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com","company":{"id":'
    b'"company_abc","name":"Example Ltd"},"tags":["lead","newsletter"],"score":87.5}'
)
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
            body=freeze("contact.created", rfc3339(self.clock.now_ms()), organization, DATA),
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

    async def pending(self, number, count):
        for batch in batches(range(count)):
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


def batches(items):
    rest = iter(items)
    while batch := list(itertools.islice(rest, BATCH)):
        yield batch


async def main():
    orders = json.load(sys.stdin)
    settings = {"WINNERR_WEBHOOKS_DATABASE_URL": orders["database_url"]}
    storage = await wiring.open_storage(config.load(settings), exclusive=True)
    started = time.monotonic()
    try:
        seeder = Seeder(storage)
        await seeder.webhooks(orders.get("webhooks", []))
        if "pending" in orders:
            await seeder.pending(*orders["pending"])
        if "attempts" in orders:
            await seeder.attempts(*orders["attempts"])
    finally:
        await storage.close()
    print(json.dumps({"seconds": time.monotonic() - started}))


if __name__ == "__main__":
    uvloop.run(main())

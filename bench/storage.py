"""The SQLite storage alone: CPU of its writer, an event accepted and settled, by batch size.

    .venv/bin/python bench/storage.py

`busy` runs the event loop flat out beside it, which is what costs a thread that gives up the GIL
at every step (docs/adr/0001).
"""

import asyncio
import sys
import tempfile
import time

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Timings
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import NewEvent, encode_payload
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.storage.road_values import LeaseTerms, Settlement
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.storage.values import NewWebhook

EVENTS = 3_000
WARM_UP = 10
DATA = b'{"id":"contact_xyz","name":"Jane Smith","note":"' + b"y" * 300 + b'"}'
clock = SystemClock()
ids = Ids(clock)


def event() -> NewEvent:
    body = encode_payload("contact.created", "2027-01-15T08:00:00Z", "org_1", DATA)
    return NewEvent(id=ids.new("evt"), organization="org_1", name="contact.created", body=body)


def settlement(delivery: LeasedDelivery) -> Settlement:
    exchange = Exchange(
        started_at=clock.now_ms(),
        duration_ms=12.5,
        timings=Timings(first_byte_ms=12.1),
        status=200,
        reason="OK",
        response_head=b"content-type: text/plain\r\n" * 3,
        response_body=b"ok",
    )
    record = AttemptRecord(
        id=ids.new("att"),
        outcome="succeeded",
        url="https://hooks.example.com/crm",
        request_head=b"h" * 450,
        exchange=exchange,
    )
    return Settlement(delivery=delivery, record=record, verdict=Verdict(happened="success"))


async def measure(size: int, *, busy: bool) -> tuple[float, float]:
    """CPU µs of the writer an event, and events a second."""
    with tempfile.TemporaryDirectory() as folder:
        storage = await SqliteStorage.open(
            f"{folder}/bench.db",
            clock=clock,
            keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
            exclusive=True,
        )
        webhook = NewWebhook(
            id=ids.new("wh"),
            organization="org_1",
            url="https://hooks.example.com/crm",
            description=None,
            events=("*",),
            secret=None,
        )
        await storage.create_webhook(webhook, 500)
        rounds = max(EVENTS // size, 30)
        spinning = asyncio.create_task(_spin()) if busy else None
        accepted = await storage.accept([event() for _ in range(size)], LeaseTerms(seconds=60))
        cpu = wall = 0.0
        for number in range(rounds + WARM_UP):
            if number == WARM_UP:
                wall = time.perf_counter()
                cpu = await storage._threads.write(lambda _db: time.thread_time())  # noqa: SLF001  its thread
            settlements = [settlement(answer.leased[0]) for answer in accepted]
            fresh = [event() for _ in range(size)]
            accepted, _ = await asyncio.gather(
                storage.accept(fresh, LeaseTerms(seconds=60)), storage.settle(settlements)
            )
        cpu = await storage._threads.write(lambda _db: time.thread_time()) - cpu  # noqa: SLF001  its thread
        wall = time.perf_counter() - wall
        if spinning is not None:
            spinning.cancel()
        await storage.close()
        return cpu / (rounds * size) * 1e6, rounds * size / wall


async def _spin() -> None:
    while True:
        sum(range(300))
        await asyncio.sleep(0)


def main() -> None:
    sys.setswitchinterval(0.0005)
    print(f"{'batch':>6} {'loop':>5} {'CPU µs/event':>13} {'events/s':>9}")
    for busy in (False, True):
        for size in (1, 16, 64, 256):
            cpu, rate = asyncio.run(measure(size, busy=busy))
            print(f"{size:>6} {'busy' if busy else 'idle':>5} {cpu:>13.1f} {rate:>9,.0f}")


if __name__ == "__main__":
    main()

"""A day of made-up traffic, for the screenshots of the settings page.

It is written through the storage port with a manual clock. The rules are those of the service; only
the receivers' answers are scripted.
"""

import base64
import random
import time
from pathlib import Path

from winnerr_webhooks.config import Config, EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.attempt import Exchange, Failure, Timings
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import NewEvent, encode_payload, rfc3339
from winnerr_webhooks.domain.verdict import success_rule
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.pipeline.access_tokens import AccessTokens
from winnerr_webhooks.pipeline.attempter import Attempter
from winnerr_webhooks.storage.road_values import Claim, LeaseTerms, Settlement
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange

ORGANIZATION = "org_abc123"
MINUTE, HOUR = 60_000, 3_600_000
KEY = bytes(range(32))
NEWEST = ((95_000, "deal.created"), (12_000, "email.opened"), (4_000, "contact.updated"))
"""The last events: milliseconds before the end, and event type."""

CRM = "https://hooks.example.com/crm"
ACME = "https://api.acme.test/winnerr"
OLD = "https://old.example.org/in"
FLOW = "https://flows.northwind.example/webhook/3f1b9c2e-77aa-4d0e-b8a5-90c1de44f0aa/contact-sync"

BUSY_PAGE = (
    b"<!doctype html>\n<html>\n<head><title>503 Service Unavailable</title></head>\n<body>\n"
    b"<h1>Service Unavailable</h1>\n<p>upstream timed out (110: Connection timed out) while "
    b"reading response header from upstream</p>\n<hr>nginx\n</body>\n</html>\n"
)


class ManualClock:
    """A clock whose wall time the script moves; durations are real."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return time.monotonic()


class NoJitter:
    """Retries exactly on schedule."""

    def around(self, seconds: float, share: float = 0) -> float:
        return seconds


class Receivers:
    """An egress client whose receivers give scripted answers."""

    def __init__(self, clock: ManualClock, rng: random.Random, end: int) -> None:
        self.clock = clock
        self.rng = rng
        self.end = end

    async def post(self, destination, organization, head, body, limit=None) -> Exchange:
        host, ago = destination.host, self.end - self.clock.ms
        if "old" in host:
            return self.exchange(410, "Gone", 60, b"This integration was retired.")
        if "acme" in host:
            if ago < 52 * MINUTE:
                return self.exchange(503, "Service Unavailable", 2_090, BUSY_PAGE, "text/html")
            if 8 * HOUR < ago < 10.5 * HOUR:
                return self.refused()
        elif self.rng.random() < 0.006:
            return self.exchange(502, "Bad Gateway", 900, b"bad gateway")
        return self.exchange(200, "OK", 84, b'{"received":true}', "application/json")

    def exchange(self, status, reason, usual, body, media="text/plain") -> Exchange:
        waited = usual * self.rng.lognormvariate(0, 0.35)
        fresh = status >= 500 or self.rng.random() < 0.2
        timings = Timings(
            dns_ms=self.rng.uniform(0.3, 2.0) if fresh else None,
            connect_ms=self.rng.uniform(8, 14) if fresh else None,
            tls_ms=self.rng.uniform(16, 31) if fresh else None,
            first_byte_ms=waited,
        )
        phases = (timings.dns_ms or 0, timings.connect_ms or 0, timings.tls_ms or 0, waited, 0.3)
        head = f"server: nginx\r\ncontent-type: {media}; charset=utf-8\r\n"
        head += f"content-length: {len(body)}\r\nx-request-id: {self.rng.getrandbits(64):016x}\r\n"
        return Exchange(
            started_at=self.clock.ms,
            duration_ms=sum(phases),
            timings=timings,
            status=status,
            reason=reason,
            response_head=head.encode(),
            response_body=body,
        )

    def refused(self) -> Exchange:
        connecting = self.rng.uniform(9, 13)
        return Exchange(
            started_at=self.clock.ms,
            duration_ms=0.9 + connecting,
            timings=Timings(dns_ms=0.9, connect_ms=connecting),
            failure=Failure(
                kind="connect",
                message="The connection was refused.",
                phase="connect",
                code="refused",
            ),
        )


class Traffic:
    """A day of traffic, written as the service writes it."""

    def __init__(self, storage: SqliteStorage, clock: ManualClock, end: int) -> None:
        self.storage = storage
        self.clock = clock
        self.end = end
        self.rng = random.Random(7)  # the same day every time
        self.ids = Ids(clock)
        receivers, branding = Receivers(clock, self.rng, end), Config().branding
        self.attempter = Attempter(
            receivers,
            AccessTokens(receivers, timeout=10, branding=branding, clock=clock),
            schedule=(60.0, 600.0, 6000.0),
            success=success_rule("2xx"),
            branding=branding,
            clock=clock,
            ids=self.ids,
            jitter=NoJitter(),
        )

    async def webhook(self, url: str, events: tuple[str, ...], about: str) -> str:
        new = NewWebhook(
            id=self.ids.new("wh"),
            organization=ORGANIZATION,
            url=url,
            description=about,
            events=events,
            secret="whsec_" + base64.b64encode(KEY).decode(),
        )
        return (await self.storage.create_webhook(new, 50)).id

    async def write(self) -> dict[str, str]:
        """Write the whole day; returns the ids of the webhooks by URL."""
        ids = {
            CRM: await self.webhook(
                CRM,
                ("contact.created", "contact.updated", "deal.created", "deal.closed_won"),
                "The sales team's mirror",
            ),
            ACME: await self.webhook(ACME, ("*",), "Acme's data warehouse"),
            OLD: await self.webhook(OLD, ("deal.closed_won",), "Last year's reporting"),
            FLOW: await self.webhook(FLOW, ("contact.created",), "Contact sync, Northwind"),
        }
        paused = False
        first_of_newest = self.end - NEWEST[0][0]
        while True:
            self.clock.ms += round(self.rng.expovariate(1 / self.mean_gap_ms()))
            if self.clock.ms >= first_of_newest:
                break
            if not paused and self.end - self.clock.ms < 2 * HOUR:
                paused = True
                change = WebhookChange(status="paused")
                await self.storage.change_webhook(ORGANIZATION, ids[FLOW], change)
            await self.retry()
            await self.event()
        for ago, name in NEWEST:
            self.clock.ms = self.end - ago
            await self.retry()
            await self.event(name)
        self.clock.ms = self.end
        while await self.storage.run_job_slice():
            pass
        return ids

    def mean_gap_ms(self) -> float:
        """Mean milliseconds until the next event; longer at night."""
        hour = time.gmtime(self.clock.ms / 1000).tm_hour
        return (1.6 if 7 <= hour < 17 else 4 if 17 <= hour < 22 else 11) * MINUTE

    async def event(self, name: str = "") -> None:
        weights = [6, 5, 1, 4, 6, 2, 1, 4, 2, 1, 1, 3, 2, 1, 4, 4, 1, 2, 2, 1]
        name = name or self.rng.choices(CATALOG.names, weights)[0]
        example = CATALOG.get(name).example
        new = NewEvent(
            id=self.ids.new("evt"),
            organization=ORGANIZATION,
            name=name,
            body=encode_payload(name, rfc3339(self.clock.ms), ORGANIZATION, example),
        )
        (accepted,) = await self.storage.accept([new], LeaseTerms(seconds=60))
        await self.deliver(accepted.leased)

    async def retry(self) -> None:
        page = await self.storage.due_lanes(None, 100)
        limits = {lane.webhook_id: 50 for lane in page.lanes}
        claim = Claim(lease_seconds=60, limits=limits, max_bytes=10**7)
        await self.deliver((await self.storage.claim(claim)).deliveries)

    async def deliver(self, deliveries: list[LeasedDelivery] | tuple[LeasedDelivery, ...]) -> None:
        done: list[Settlement] = []
        for delivery in deliveries:
            (target,) = await self.storage.targets([delivery.webhook_id])
            done.append(await self.attempter.attempt(self.attempter.template(target), delivery))
            self.clock.ms += self.rng.randint(2, 9)
        if done:
            await self.storage.settle(done)


async def write_day(path: Path) -> dict[str, str]:
    """Write the last 24 hours into a new SQLite file; return the ids of the webhooks by URL."""
    end = time.time_ns() // 1_000_000
    clock = ManualClock(end - 24 * HOUR)
    keyring = Keyring((EncryptionKey("k1", KEY),))
    storage = await SqliteStorage.open(path, clock=clock, keyring=keyring, exclusive=False)
    try:
        return await Traffic(storage, clock, end).write()
    finally:
        await storage.close()

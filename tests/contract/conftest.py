"""What the contract suite stands on: each adapter behind one fixture, a clock moved by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FixedClock
from tests.unlowered_lanes import UnloweredLanes, watch_unlowered_lanes

from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Failure, Timings
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import Accepted, NewEvent, encode_payload
from winnerr_webhooks.domain.event import fingerprint as fingerprint_of
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.pipeline.allocation import Candidate, allocate
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.postgres import PostgresStorage
from winnerr_webhooks.storage.road_values import Claim, Claimed, DuePage, LeaseTerms, Settlement
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.storage.values import Delivery, NewWebhook, WebhookChange

LEASE = LeaseTerms(seconds=60)


class FakeClock:
    """Both clocks, moved by hand and together; `ahead_ms` sets the wall clock alone."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000  # where the day partitions of `postgres_url` are
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return self.ms + self.ahead_ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def advance(self, *, seconds: float = 0, days: float = 0) -> None:
        self.ms += round(seconds * 1000 + days * 86_400_000)


class World:
    """A storage with everything a test says in one line.

    `unlowered` tells whether the storage left a lane for `repair`, because the machine stood still
    for longer than a caller may wait. Then this repairs before it looks at lanes, as a node does.
    """

    def __init__(
        self, storage: Storage, clock: FakeClock, unlowered: UnloweredLanes | None = None
    ) -> None:
        self.storage = storage
        self.clock = clock
        self.ids = Ids(clock)
        self._unlowered = unlowered

    # what exists

    async def webhook(
        self,
        *events: str,
        organization: str = "org_1",
        secret: str | None = None,
        limit: int = 500,
        url: str = "https://hooks.example.com/crm",
        **options: Any,
    ) -> Webhook:
        new = NewWebhook(
            id=self.ids.new("wh"),
            organization=organization,
            url=url,
            description=None,
            events=events or ("*",),
            secret=secret,
            **options,
        )
        return await self.storage.create_webhook(new, limit)

    def event(
        self,
        name: str = "contact.created",
        *,
        organization: str = "org_1",
        client_id: str | None = None,
        data: bytes = b'{"id":"contact_xyz"}',
    ) -> NewEvent:
        return NewEvent(
            id=self.ids.new("evt"),
            organization=organization,
            name=name,
            body=encode_payload(name, "2027-01-15T08:00:00Z", organization, data),
            client_id=client_id,
            fingerprint=fingerprint_of(name, data) if client_id else b"",
        )

    async def change(
        self, webhook: Webhook, *, replay_cancelled: bool = False, **fields: Any
    ) -> Webhook:
        changed = await self.storage.change_webhook(
            webhook.organization,
            webhook.id,
            WebhookChange(**fields),
            recovery_id=self.ids.new("job") if replay_cancelled else None,
        )
        assert changed is not None
        return changed

    # what happens

    async def accept(self, *events: NewEvent, lease: LeaseTerms | None = LEASE) -> list[Accepted]:
        return await self.storage.accept(events or [self.event()], lease)

    async def leased(self, **options: Any) -> LeasedDelivery:
        """The one delivery of a new event, leased."""
        (answer,) = await self.accept(self.event(**options))
        (delivery,) = answer.leased
        return delivery

    def settlement(
        self,
        delivery: LeasedDelivery,
        happened: str = states.SUCCESS,
        *,
        retry_in: float = 60,
        body: bytes = b"ok",
        head: bytes = b"content-type: text/plain\r\n",
        status: int | None = None,
        disable: str | None = None,
        duration_ms: float = 12.5,
        message: str = "503 Service Unavailable",
        record_id: str | None = None,
    ) -> Settlement:
        succeeded = happened == states.SUCCESS
        code = status or (200 if succeeded else 503)
        return Settlement(
            delivery=delivery,
            record=AttemptRecord(
                id=record_id or self.ids.new("att"),
                outcome="succeeded" if succeeded else "failed",
                url="https://hooks.example.com/crm",
                request_head=b"POST /crm HTTP/1.1\r\nHost: hooks.example.com\r\n",
                exchange=Exchange(
                    started_at=self.clock.now_ms(),
                    duration_ms=duration_ms,
                    timings=Timings(dns_ms=0.4, first_byte_ms=6.9),
                    status=code,
                    reason="OK" if succeeded else "Service Unavailable",
                    response_head=head,
                    response_body=body,
                ),
                error_kind=None if succeeded else "status",
                error_message="" if succeeded else message,
            ),
            verdict=Verdict(
                happened=happened,
                retry_in=retry_in if happened == states.RETRY else None,
                error_kind=None if succeeded else "status",
                disable=disable,
            ),
        )

    async def settle(
        self, delivery: LeasedDelivery, happened: str = states.SUCCESS, **options: Any
    ) -> tuple[str, ...]:
        """Settle one attempt; the webhooks that disabled."""
        settled = await self.storage.settle([self.settlement(delivery, happened, **options)])
        return settled.disabled

    async def logged(
        self, count: int, happened: str = states.SUCCESS, **options: Any
    ) -> list[LeasedDelivery]:
        """Log attempts, oldest first, a second apart."""
        deliveries = []
        for _ in range(count):
            deliveries.append(await self.leased())
            await self.settle(deliveries[-1], happened, **options)
            self.clock.advance(seconds=1)
        return deliveries

    async def claim(self, **options: Any) -> list[LeasedDelivery]:
        return (await self.claimed(**options)).deliveries

    async def claimed(
        self,
        *,
        limit: int = 100,
        room: int = 64,
        rooms: dict[str, int] | None = None,
        **options: Any,
    ) -> Claimed:
        """As a node does it: look which lanes are due, then claim of those that have room."""
        page = await self._due_lanes(10_000)
        given = rooms or {}
        lanes = [
            Candidate(one.webhook_id, one.organization, most, has_backlog=False)
            for one in page.lanes
            if (most := given.get(one.webhook_id, room))
        ]
        limits = allocate(lanes, limit)
        if not limits:
            return Claimed(deliveries=[])
        terms = {"lease_seconds": 60, "limits": limits, "max_bytes": 1 << 26}
        return await self.storage.claim(Claim(**(terms | options)))

    async def next_due_in(self) -> float | None:
        """Seconds until the next lane is due; 0: one is."""
        page = await self._due_lanes(1)
        return 0 if page.lanes else page.next_due_in

    async def _due_lanes(self, limit: int) -> DuePage:
        if self._unlowered is not None and self._unlowered.take():
            await self.storage.repair()
        return await self.storage.due_lanes(None, limit)

    async def let_leases_run_out(self) -> None:
        self.clock.advance(seconds=61)  # they are taken for 60 s
        await self.storage.repair()

    async def finish_jobs(self) -> int:
        """Run jobs to their end; how many slices they took."""
        slices = 0
        while await self.storage.run_job_slice():
            slices += 1
        return slices

    # what is seen

    async def delivery(self, delivery: LeasedDelivery | str) -> Delivery:
        id_ = delivery if isinstance(delivery, str) else delivery.id
        found = await self.storage.delivery("org_1", id_)
        assert found is not None
        return found

    async def status(self, delivery: LeasedDelivery | str) -> str:
        return (await self.delivery(delivery)).status

    async def statuses(self, deliveries: Sequence[LeasedDelivery]) -> list[str]:
        return [await self.status(delivery) for delivery in deliveries]


def failure(kind: str = "timeout") -> Failure:
    return Failure(kind=kind, message="The receiver did not answer in time.", phase="wait")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def clock_class() -> type[FakeClock]:
    """For tests that make more than one world."""
    return FakeClock


@pytest.fixture
def partitions_clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def world_class() -> type[World]:
    """For tests that make more than one world."""
    return World


@pytest.fixture
def keyring() -> Keyring:
    return Keyring((EncryptionKey("k1", bytes(range(32))),))


Factory = Callable[..., Awaitable[Storage]]


ADAPTERS = ["sqlite", "postgres"]
BY_POOLER = (
    "test_accept", "test_claim", "test_leases", "test_replays", "test_settle", "test_webhooks",
    "test_log", "test_deliveries", "test_read_turns",
)  # fmt: skip
"""What also runs on PostgreSQL behind pgbouncer in transaction mode, in `make thorough`."""
A_STATEMENT_OF_EACH_KIND = {
    "test_every_subscribed_webhook_gets_one_delivery",
    "test_deliveries_born_free_are_those_born_leased",
    "test_order_is_kept_and_batches_may_be_larger_than_a_statement",
    "test_a_client_id_is_accepted_once",
    "test_concurrent_calls_with_one_client_id_store_one_event",
    "test_a_test_is_delivered_whatever_the_status",
    "test_a_claim_leases_what_is_due_once",
    "test_many_lanes_share_one_claim",
    "test_what_is_released_is_free_at_once",
    "test_a_lease_that_ran_out_is_made_claimable",
    "test_replays_asked_for_twice_before_one_starts_are_one",
    "test_a_success_makes_it_delivered",
    "test_a_failure_with_retries_left_waits_for_its_time",
    "test_large_batches_settle_whole",
    "test_every_attempt_is_recorded_as_it_was",
    "test_a_410_disables_the_webhook_with_its_reason",
    "test_a_change_sets_what_it_names",
    "test_headers_and_authentication_are_sealed_and_only_their_names_are_read",
    "test_targets_are_found_for_any_organization",
    "test_a_deleted_webhook_keeps_its_log",
    "test_a_rotation_overlaps_and_then_the_new_secret_signs",
    "test_the_log_is_newest_first_and_pages_without_gaps",
    "test_the_log_is_filtered",
    "test_text_is_a_part_of_bodies_or_error_whatever_its_case",
    "test_deliveries_are_filtered",
    "test_an_event_is_read_with_its_deliveries",
}
"""Which of these `make test` runs behind pgbouncer."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each adapter, unless it names its own."""
    named = any("adapter" in mark.args for mark in metafunc.definition.iter_markers("parametrize"))
    if "adapter" in metafunc.fixturenames and not named:
        adapters = [*ADAPTERS]
        if metafunc.module.__name__.endswith(BY_POOLER):
            is_usual = metafunc.function.__name__ in A_STATEMENT_OF_EACH_KIND
            marks = () if is_usual else pytest.mark.thorough
            adapters.append(pytest.param("pooled", marks=marks))
        metafunc.parametrize("adapter", adapters, indirect=True)


@pytest.fixture
def adapter(request: pytest.FixtureRequest) -> str:
    """The name of the adapter a test runs on: `sqlite`, `postgres`, or `pooled`."""
    return str(request.param)


@pytest.fixture
def database(adapter: str, request: pytest.FixtureRequest) -> str:
    """Where the test's own database is: a file, or a URL."""
    name = "sqlite_path" if adapter == "sqlite" else f"{adapter}_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
async def make_storage(
    adapter: str, database: str, clock: FakeClock, keyring: Keyring
) -> AsyncIterator[Factory]:
    """Open a storage of each adapter in turn; options are the adapter's of the same name."""
    opened: list[Storage] = []

    async def make(**options: Any) -> Storage:
        options |= {"clock": clock, "keyring": keyring}
        if adapter != "sqlite":
            opened.append(
                await PostgresStorage.open(
                    database, serves=True, follow_database_clock=False, **options
                )
            )
        else:
            opened.append(await SqliteStorage.open(Path(database), exclusive=True, **options))
        return opened[-1]

    yield make
    for storage in opened:
        await storage.close()


@pytest.fixture
async def storage(make_storage: Factory) -> Storage:
    return await make_storage()


@pytest.fixture
def unlowered() -> Iterator[UnloweredLanes]:
    with watch_unlowered_lanes() as watch:
        yield watch


@pytest.fixture
def world(storage: Storage, clock: FakeClock, unlowered: UnloweredLanes) -> World:
    return World(storage, clock, unlowered)


@pytest.fixture
async def make_world(
    make_storage: Factory, clock: FakeClock, unlowered: UnloweredLanes
) -> Callable[..., Awaitable[World]]:
    """A world whose storage has other settings than usual."""

    async def make(**options: Any) -> World:
        return World(await make_storage(**options), clock, unlowered)

    return make

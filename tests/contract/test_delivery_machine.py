"""Random lives of deliveries against a model of DESIGN's invariants, on every adapter.

The model knows of each delivery its state, how many attempts it had, whether a replay of it is
wanted, and which lease is the current one. After every step the storage must say the same; at
the end, after one more crash, everything that waits must come, once, without any repair.
"""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.thorough import examples

from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import (
    EXHAUSTED,
    REPLAY_FAILED,
    RETRY,
    SUCCESS,
    LeasedDelivery,
)
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.postgres import PostgresStorage
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.sqlite import SqliteStorage
from winnerr_webhooks.storage.values import DeliveryFilter, ReplayFilter

KEYRING = Keyring((EncryptionKey("k1", bytes(32)),))


@dataclass
class Life:
    """What the model knows of one delivery."""

    webhook: str
    event: str
    state: str
    attempts: int = 0
    lease: int = 0
    idle: int = 0
    """Leases handed out in a row without a settled attempt."""
    wanted: bool = False
    """A replay was asked for and not served."""
    asked_again: bool = False
    """It was asked for since the lease now out was taken."""


class Machine(RuleBasedStateMachine):
    """Two webhooks that want everything, any number of events, one clock."""

    world_class: Any
    clock_class: Any
    open_storage: Any
    recovers: bool
    """Whether a node knows that what is leased was leased by a dead one."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = self.clock_class()
        storage: Storage = self.run(self.open_storage(Path(self.folder.name), self.clock))
        self.world = self.world_class(storage, self.clock)
        self.storage = storage
        self.active: dict[str, bool] = {}
        self.webhooks: dict[str, Any] = {}
        for _ in range(2):
            webhook = self.run(self.world.webhook())
            self.webhooks[webhook.id] = webhook
            self.active[webhook.id] = True
        self.lives: dict[str, Life] = {}
        self.out: list[LeasedDelivery] = []
        """Leases handed out and not settled, those of dead nodes too."""
        self.held: dict[tuple[str, int], int] = {}
        """Which of them the storage holds, and until when."""
        self.edits = 0
        self.accept(count=2, born="mixed")

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    # --- what happens

    @rule(count=st.integers(1, 4), born=st.sampled_from(["leased", "free", "mixed"]))
    def accept(self, count: int, born: str) -> None:
        events = [self.world.event() for _ in range(count)]
        full = {"org_1": frozenset(list(self.webhooks)[:1])} if born == "mixed" else {}
        lease = None if born == "free" else LeaseTerms(seconds=60, full=full)
        answers = self.run(self.storage.accept(events, lease))
        for event, answer in zip(events, answers, strict=True):
            stored = self.run(self.storage.event("org_1", event.id))
            assert sorted(one.webhook_id for one in stored.deliveries) == sorted(self.webhooks)
            assert answer.deliveries == sum(self.active.values())
            for one in stored.deliveries:
                state = states.PENDING if self.active[one.webhook_id] else states.CANCELLED
                self.lives[one.id] = Life(one.webhook_id, event.id, state)
            for leased in answer.leased:
                self.lives[leased.id].lease = leased.lease
                self.lives[leased.id].idle = 1
                self.hand_out(leased)

    def hand_out(self, delivery: LeasedDelivery) -> None:
        self.out.append(delivery)
        self.held[delivery.id, delivery.lease] = self.clock.ms + 60_000

    @precondition(lambda self: self.out)
    @rule(
        which=st.integers(0, 1000),
        happened=st.sampled_from([SUCCESS, RETRY, RETRY, EXHAUSTED]),
        retry_in=st.sampled_from([0, 5, 600]),
    )
    def settle(self, which: int, happened: str, retry_in: int) -> None:
        delivery = self.out.pop(which % len(self.out))
        if happened != SUCCESS and delivery.trigger == "replay":
            happened = REPLAY_FAILED
        self.run(self.world.settle(delivery, happened, retry_in=retry_in))
        self.held.pop((delivery.id, delivery.lease), None)
        life = self.lives[delivery.id]
        life.attempts += 1
        current = life.lease == delivery.lease
        if current or happened == SUCCESS:
            life.state = states.next_state(life.state, happened)
        if current:
            life.idle = 0
            if delivery.trigger == "replay":
                life.wanted = life.wanted and life.asked_again
        elif happened == SUCCESS and not life.wanted:
            life.idle = 0

    @rule(limit=st.sampled_from([1, 3, 100]), room=st.sampled_from([1, 100]))
    def claim(self, limit: int, room: int) -> None:
        for delivery in self.run(self.world.claim(limit=limit, room=room)):
            self.taken(delivery)
        self.see_worn_out()

    def taken(self, delivery: LeasedDelivery) -> None:
        life = self.lives[delivery.id]
        assert self.active[life.webhook]
        assert life.state == states.PENDING or life.wanted
        assert delivery.trigger == ("replay" if life.wanted else "automatic")
        assert delivery.attempt == life.attempts + 1
        assert delivery.lease > life.lease
        life.lease = delivery.lease
        life.idle += 1
        assert life.idle <= states.MAX_IDLE_LEASES
        life.asked_again = False
        self.hand_out(delivery)

    def see_worn_out(self) -> None:
        """A claim that meets a delivery leased five times for nothing ends it."""
        for id_, life in self.lives.items():
            if life.idle >= states.MAX_IDLE_LEASES:
                seen = self.run(self.storage.delivery("org_1", id_))
                if life.state == states.PENDING and seen.status == states.FAILED:
                    life.state, life.wanted, life.idle = states.FAILED, False, 0
                elif life.wanted and seen.next_attempt_at is None:
                    life.wanted, life.idle = False, 0

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 1000))
    def release(self, which: int) -> None:
        delivery = self.out.pop(which % len(self.out))
        life = self.lives[delivery.id]
        self.run(self.storage.release([delivery]))
        if self.held.pop((delivery.id, delivery.lease), None) and life.lease == delivery.lease:
            life.idle = max(0, life.idle - 1)

    @rule()
    def crash(self) -> None:
        """A lease that ends with its process counts against no delivery.

        Of one node among several nobody knows that it died: its leases run out.
        """
        if not self.recovers:
            self.clock.advance(seconds=61)
            self.repair()
            return
        self.run(self.storage.recover())
        for id_, lease in self.held:
            life = self.lives[id_]
            if life.lease == lease:
                life.idle = max(0, life.idle - 1)
        self.held.clear()

    @precondition(lambda self: self.held)
    @rule()
    def stall(self) -> None:
        """A node stalls past its leases, and another takes over what it held."""
        self.clock.advance(seconds=61)
        self.repair()
        self.claim(limit=100, room=100)

    @rule(seconds=st.sampled_from([1, 30, 61, 700]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule()
    def repair(self) -> None:
        late = sum(until < self.clock.ms for until in self.held.values())
        assert self.run(self.storage.repair()) <= late, "a wake-up was lost"
        self.held = {one: until for one, until in self.held.items() if until >= self.clock.ms}

    @rule()
    def job(self) -> None:
        self.run(self.storage.run_job_slice())

    @precondition(lambda self: self.lives)
    @rule(which=st.integers(0, 1000))
    def replay(self, which: int) -> None:
        id_ = sorted(self.lives)[which % len(self.lives)]
        life = self.lives[id_]
        if self.active[life.webhook]:
            self.run(self.storage.replay("org_1", id_))
            life.wanted = life.asked_again = True
        else:
            with pytest.raises(Conflict):
                self.run(self.storage.replay("org_1", id_))

    @rule(failed_only=st.booleans())
    def replay_many(self, failed_only: bool) -> None:
        query = ReplayFilter(organization="org_1", failed_only=failed_only)
        wanted = {states.FAILED} if failed_only else {states.FAILED, states.CANCELLED}
        found = [
            life
            for life in self.lives.values()
            if self.active[life.webhook] and life.state in wanted
        ]
        assert self.run(self.storage.replay_many(query, dry_run=True)) == len(found)

    @rule(which=st.integers(0, 1))
    def pause(self, which: int) -> None:
        id_, webhook = list(self.webhooks.items())[which]
        self.run(self.world.change(webhook, status="paused"))
        if self.active[id_]:
            self.active[id_] = False
            for life in self.lives.values():
                if life.webhook == id_:
                    life.wanted, life.idle = False, 0
                    life.state = states.next_state(life.state, states.STOPPED)

    @rule(which=st.integers(0, 1))
    def resume(self, which: int) -> None:
        id_, webhook = list(self.webhooks.items())[which]
        self.run(self.world.change(webhook, status="active"))
        self.active[id_] = True

    @rule(which=st.integers(0, 1))
    def edit(self, which: int) -> None:
        self.edits += 1
        webhook = list(self.webhooks.values())[which]
        self.run(self.world.change(webhook, url=f"https://example.com/{self.edits}"))

    # --- what must hold

    @invariant()
    def the_storage_says_what_the_model_says(self) -> None:
        if not hasattr(self, "edits"):
            return  # nothing has started yet
        page = self.run(self.storage.deliveries(DeliveryFilter(organization="org_1", limit=500)))
        assert {one.id: one.status for one in page.items} == {
            id_: life.state for id_, life in self.lives.items()
        }
        assert len(page.items) == len(self.lives)

    def teardown(self) -> None:
        if not hasattr(self, "edits"):
            return  # it did not get through `start`
        try:
            self.nothing_is_lost()
        finally:
            self.run(self.storage.close())
            self.runner.close()
            self.folder.cleanup()

    def nothing_is_lost(self) -> None:
        """After a crash, what waits at an active webhook comes by itself, and is delivered."""
        self.repair()
        for id_, life in self.lives.items():
            assert len(self.run(self.storage.delivery("org_1", id_)).attempts) == life.attempts
        self.crash()
        while self.run(self.storage.run_job_slice()):
            pass
        self.clock.advance(days=1)
        while claimed := self.run(self.world.claim()):
            for delivery in claimed:
                self.taken(delivery)
                self.run(self.world.settle(delivery))
                life = self.lives[delivery.id]
                life.attempts += 1
                life.state, life.idle, life.wanted = states.DELIVERED, 0, False
        self.see_worn_out()
        self.the_storage_says_what_the_model_says()
        for life in self.lives.values():
            assert not life.wanted or not self.active[life.webhook]
            assert life.state != states.PENDING
        assert self.run(self.storage.figures()).pending == 0


async def _open_sqlite(folder: Path, clock: Any) -> Storage:
    return await SqliteStorage.open(
        folder / "machine.db", clock=clock, keyring=KEYRING, exclusive=True
    )


def _opener_of_postgres(server: Any, url: str) -> Any:
    """Open a storage on a database emptied again: cheaper than a database an example."""

    async def open_(_folder: Path, clock: Any) -> Storage:
        assert await server.empty_database(url.rpartition("/")[2])
        return await PostgresStorage.open(
            url, clock=clock, keyring=KEYRING, serves=True, follow_database_clock=False
        )

    return open_


def _check(thorough: int, **of_the_adapter: Any) -> None:
    machine = type("Bound", (Machine,), of_the_adapter)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(thorough),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_sequence_of_events_breaks_a_delivery_in_sqlite(world_class, clock_class) -> None:
    """Nothing accepted is lost, `delivered` is final, a stale lease moves nothing but success."""
    _check(
        40,
        world_class=world_class,
        clock_class=clock_class,
        open_storage=staticmethod(_open_sqlite),
        recovers=True,
    )


def test_no_sequence_of_events_breaks_a_delivery_in_postgres(
    world_class, clock_class, postgres_server, postgres_url
) -> None:
    """The same; fewer lives, because each step is a round trip to another process."""
    _check(
        16,
        world_class=world_class,
        clock_class=clock_class,
        open_storage=staticmethod(_opener_of_postgres(postgres_server, postgres_url)),
        recovers=False,
    )

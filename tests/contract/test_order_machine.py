"""Random lives of ordered deliveries against a model, on every adapter.

Nodes claim runs, attempt them in order, die before or after they settle, and lose their leases.
Meanwhile events are accepted, skipped and replayed, and the webhook is paused and changed. The
receiver notes what it has answered with success. For each key, the first success of a delivery must
come after that of every earlier one that has not ended otherwise. At the end, nothing is stuck.
"""

import asyncio
import json
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.contract.test_delivery_machine import KEYRING, _open_sqlite
from tests.thorough import examples

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

KEYS = ("a", "b")


@dataclass
class Place:
    """A delivery in an order: which, and its place there by acceptance."""

    id: str
    order: tuple[object, ...]
    ended: bool = False
    """Delivered, failed or cancelled, as far as the database knows."""
    arrived: bool = False


class Machine(RuleBasedStateMachine):
    """One ordered webhook, a few keys, any number of nodes."""

    world_class: Any
    clock_class: Any
    open_storage: Any

    @initialize(order_by=st.sampled_from(["", "data.id"]), rate=st.sampled_from([None, 50.0]))
    def start(self, order_by: str, rate: float | None) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = self.clock_class()
        self.storage: Storage = self.run(self.open_storage(Path(self.folder.name), self.clock))
        self.world = self.world_class(self.storage, self.clock)
        self.webhook = self.run(self.world.webhook(order_by=order_by, rate_limit=rate))
        self.order_by: str | None = order_by
        self.active = True
        self.epoch = 0
        self.places: dict[str, Place] = {}
        self.runs: list[deque[LeasedDelivery]] = []
        """What nodes hold, each run in its order; the first may be attempted."""
        self.held: dict[tuple[object, ...], int] = {}
        """Until when (ms) a run of an order is leased, that of a dead node too."""
        self.accept(keys=["a", "a", "b"])

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    # --- what happens

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def accept(self, keys: list[str]) -> None:
        events = [
            self.world.event(data=json.dumps({"id": key}, separators=(",", ":")).encode())
            for key in keys
        ]
        answers = self.run(self.storage.accept(events, LeaseTerms(seconds=60)))
        for key, answer in zip(keys, answers, strict=True):
            stored = self.run(self.storage.event("org_1", answer.id))
            assert answer.leased == () or self.order_by is None
            for one in answer.leased:
                self.runs.append(deque([one]))
            if self.order_by is None:
                order: tuple[object, ...] = (answer.id,)
            else:
                order = (self.order_by, self.epoch, key if self.order_by else "")
            id_ = stored.deliveries[0].id
            self.places[id_] = Place(id_, order, ended=not self.active)

    @rule(room=st.sampled_from([1, 3, 100]))
    def claim(self, room: int) -> None:
        runs: dict[object, deque[LeasedDelivery]] = {}
        for number, one in enumerate(self.run(self.world.claim(room=room))):
            runs.setdefault(one.order_key if one.order_key is not None else number, deque()).append(
                one
            )
        for run in runs.values():
            if run[0].order_key is not None:
                order = self.places[run[0].id].order
                assert self.held.get(order, 0) < self.clock.ms, "one of the order is leased"
                self.held[order] = self.clock.ms + 60_000
        self.runs += runs.values()

    def over(self, run: deque[LeasedDelivery], delivery: LeasedDelivery) -> None:
        """A run has ended, and none of it is leased any more."""
        self.runs.remove(run)
        if delivery.order_key is not None:
            self.held.pop(self.places[delivery.id].order, None)

    @precondition(lambda self: self.runs)
    @rule(
        which=st.integers(0, 1000),
        happened=st.sampled_from([SUCCESS, SUCCESS, SUCCESS, RETRY, EXHAUSTED]),
        retry_in=st.sampled_from([0, 5]),
        dies=st.sampled_from(["no", "no", "no", "before settling", "before releasing"]),
    )
    def attempt(self, which: int, happened: str, retry_in: int, dies: str) -> None:
        """The first of a run is attempted; then the run goes on, or ends."""
        run = self.runs[which % len(self.runs)]
        delivery = run.popleft()
        if happened == SUCCESS:
            self.arrive(delivery)
        elif delivery.trigger == "replay":
            happened = REPLAY_FAILED
        if dies == "before settling":
            self.runs.remove(run)
            return
        self.run(self.world.settle(delivery, happened, retry_in=retry_in))
        seen = self.run(self.storage.delivery("org_1", delivery.id))
        self.places[delivery.id].ended = seen.status != "pending"
        if run and happened != SUCCESS and dies == "before releasing":
            self.runs.remove(run)
        elif not run or happened != SUCCESS:
            self.run(self.storage.release(list(run)))
            self.over(run, delivery)

    def arrive(self, delivery: LeasedDelivery) -> None:
        """The receiver answers with success."""
        place = self.places[delivery.id]
        if place.arrived:
            return
        place.arrived = True
        if delivery.trigger == "replay" or place.ended:
            return  # outside the order
        for earlier in self.places.values():
            if earlier is place:
                break
            if earlier.order == place.order and not (earlier.arrived or earlier.ended):
                # A claim ends what was leased five times for nothing.
                seen = self.run(self.storage.delivery("org_1", earlier.id))
                assert seen.status == "failed", (earlier, place)
                earlier.ended = True

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 1000))
    def release(self, which: int) -> None:
        run = self.runs[which % len(self.runs)]
        self.run(self.storage.release(list(run)))
        self.over(run, run[0])

    @rule()
    def die(self) -> None:
        """All nodes are killed, or stall past their leases; others take over."""
        self.runs.clear()
        self.clock.advance(seconds=61)
        self.run(self.storage.repair())

    @rule(seconds=st.sampled_from([1, 6]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(which=st.integers(0, 1000))
    def skip(self, which: int) -> None:
        place = list(self.places.values())[which % len(self.places)]
        try:
            self.run(self.storage.skip("org_1", place.id))
        except Conflict:
            return
        assert not place.ended
        place.ended = True

    @precondition(lambda self: self.active)
    @rule(which=st.integers(0, 1000))
    def replay(self, which: int) -> None:
        self.run(self.storage.replay("org_1", list(self.places)[which % len(self.places)]))

    @rule()
    def pause_and_resume(self) -> None:
        self.run(self.world.change(self.webhook, status="paused"))
        self.run(self.world.change(self.webhook, status="active"))
        self.epoch += 1
        for place in self.places.values():
            place.ended = True

    @rule()
    def job(self) -> None:
        self.run(self.storage.run_job_slice())

    @rule(order_by=st.sampled_from(["", "data.id", None]))
    def change(self, order_by: str | None) -> None:
        self.run(self.world.change(self.webhook, order_by=order_by))
        self.order_by = order_by

    # --- what must hold in the end

    def teardown(self) -> None:
        if not hasattr(self, "places"):
            return  # it did not get through `start`
        try:
            self.nothing_is_stuck()
        finally:
            self.run(self.storage.close())
            self.runner.close()
            self.folder.cleanup()

    def nothing_is_stuck(self) -> None:
        self.die()
        while self.run(self.storage.run_job_slice()):
            pass
        for _ in range(200):
            self.clock.advance(seconds=10)
            self.claim(room=100)
            if not self.runs:
                break
            while self.runs:
                self.attempt(which=0, happened=SUCCESS, retry_in=0, dies="no")
        for place in self.places.values():
            if not place.ended:
                seen = self.run(self.storage.delivery("org_1", place.id))
                assert seen.status == "failed", place
        assert self.run(self.storage.figures()).pending == 0


def _opener_of_postgres(server: Any, url: str) -> Any:
    """Open a storage on a database emptied again: cheaper than a database an example."""

    async def open_(_folder: Path, clock: Any) -> Storage:
        assert await server.empty_database(url.rpartition("/")[2])
        return await PostgresStorage.open(
            url, clock=clock, keyring=KEYRING, serves=True, follow_database_clock=False
        )

    return open_


def _check(thorough: int, **of_the_adapter: Any) -> None:
    run_state_machine_as_test(
        type("Bound", (Machine,), of_the_adapter),
        settings=settings(
            max_examples=examples(thorough),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_sequence_of_events_breaks_an_order_in_sqlite(world_class, clock_class) -> None:
    """For each key, the receiver's successes are in the order of acceptance; nothing is stuck."""
    _check(
        40,
        world_class=world_class,
        clock_class=clock_class,
        open_storage=staticmethod(_open_sqlite),
    )


def test_no_sequence_of_events_breaks_an_order_in_postgres(
    world_class, clock_class, postgres_server, postgres_url
) -> None:
    """The same; fewer lives, because each step is a round trip to another process."""
    _check(
        12,
        world_class=world_class,
        clock_class=clock_class,
        open_storage=staticmethod(_opener_of_postgres(postgres_server, postgres_url)),
    )

"""What one settled attempt does to a delivery's rows, over every combination."""

import itertools

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange, Timings
from winnerr_webhooks.domain.delivery import (
    EXHAUSTED,
    REPLAY_FAILED,
    RETRY,
    SUCCESS,
    LeasedDelivery,
)
from winnerr_webhooks.domain.verdict import Verdict
from winnerr_webhooks.storage.delivery_rows import PendingRow, SettledRow
from winnerr_webhooks.storage.road_values import Settlement
from winnerr_webhooks.storage.transitions import DeliveryRows, transition

NOW = 1_000_000
ID = "dlv_" + "0" * 30


def _pending(*, finished: bool, replay: int, lease: int = 3) -> PendingRow:
    return PendingRow(
        webhook_id="wh_1",
        delivery_id=ID,
        organization="org_1",
        event="contact.created",
        test=0,
        epoch=1,
        accepted_at=1,
        due_at=2,
        lease_until=NOW + 5,
        lease=lease,
        idle_leases=2,
        attempts=4,
        retries_used=1,
        retry_at=None if finished else 500,
        replay=replay,
        finished=int(finished),
        job="",
    )


def _settled(status: str) -> SettledRow:
    return SettledRow("org_1", ID, "wh_1", "contact.created", status, 0, 4, 3, 1, 77)


def _settlement(happened: str, *, trigger: str, replay: int, lease: int) -> Settlement:
    return Settlement(
        delivery=LeasedDelivery(
            id=ID,
            event_id="evt_" + "0" * 26,
            event="contact.created",
            organization="org_1",
            webhook_id="wh_1",
            webhook_version=1,
            body=b"{}",
            trigger=trigger,
            lease=lease,
            replay=replay,
        ),
        record=AttemptRecord(
            id="att_1",
            outcome="succeeded" if happened == SUCCESS else "failed",
            url="https://example.com/",
            request_head=b"",
            exchange=Exchange(started_at=NOW, duration_ms=1, timings=Timings()),
        ),
        verdict=Verdict(happened=happened, retry_in=60 if happened == RETRY else None),
    )


CASES = [
    (state, stopped, happened, trigger, current, later)
    for state, stopped, happened, trigger, current, later in itertools.product(
        (states.PENDING, states.FAILED, states.CANCELLED, states.DELIVERED),
        (False, True),
        (SUCCESS, RETRY, EXHAUSTED),
        ("automatic", "replay"),
        (True, False),
        (True, False),
    )
]


@pytest.mark.parametrize(("state", "stopped", "happened", "trigger", "current", "later"), CASES)
def test_every_combination_follows_the_table(  # noqa: PLR0917  the combination
    state, stopped, happened, trigger, current, later
) -> None:
    """`later`: another replay was asked for while the attempt ran."""
    served = 1 if trigger == "replay" else 0
    finished = state != states.PENDING
    at = DeliveryRows(
        webhook_id="wh_1",
        pending=_pending(finished=finished, replay=served + later),
        settled=_settled(state) if finished else None,
        test=False,
        stopped=stopped,
    )
    before = states.CANCELLED if stopped and not finished else state
    item = _settlement(happened, trigger=trigger, replay=served, lease=3 if current else 2)
    exhausted = transition(at, item, NOW)

    if happened == SUCCESS:
        expected = states.DELIVERED
    elif not current:
        expected = before
    else:
        expected = states.next_state(before, REPLAY_FAILED if trigger == "replay" else happened)
    assert at.status == expected
    assert exhausted == (before == states.PENDING and expected == states.FAILED)
    if at.settled is not None:
        assert at.settled.attempts == 5
        assert at.settled.settled_at == (77 if finished and expected == state else NOW)
    row = at.pending
    if row is None:
        assert expected != states.PENDING
        assert stopped or not later
        return
    assert row.attempts == 5
    assert bool(row.finished) == (expected != states.PENDING)
    assert (row.retry_at is None) == bool(row.finished)
    if current:
        assert (row.lease_until, row.idle_leases) == (None, 0)
        assert row.replay == (0 if stopped else served + 1 if later else 0)
        assert row.due_at == (NOW if row.replay else row.retry_at)
    else:
        assert (row.lease_until, row.lease, row.idle_leases) == (NOW + 5, 3, 2)


def test_a_forgotten_delivery_counts_as_failed() -> None:
    at = DeliveryRows("wh_1", None, None, test=False, stopped=False)
    transition(at, _settlement(RETRY, trigger="automatic", replay=0, lease=1), NOW)
    assert (at.status, at.settled.attempts) == (states.FAILED, 1)

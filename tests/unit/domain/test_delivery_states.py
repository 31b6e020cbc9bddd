"""The states of a delivery: one table, which the documentation draws."""

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain import delivery
from winnerr_webhooks.domain.delivery import (
    CANCELLED,
    DELIVERED,
    EXHAUSTED,
    FAILED,
    PENDING,
    RECOVERED,
    REPLAY_FAILED,
    RETRY,
    STOPPED,
    SUCCESS,
    TRANSITIONS,
    next_state,
)

STATES = (PENDING, DELIVERED, FAILED, CANCELLED)
HAPPENINGS = (SUCCESS, RETRY, EXHAUSTED, STOPPED, REPLAY_FAILED, RECOVERED)
PAGE = Path(__file__).parents[3] / "docs" / "delivery-states.md"


def test_the_documentations_table_is_the_programs():
    rows = re.findall(r"^\| `([\w ]+)` \| `([\w ]+)` \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert {(state, happened): following for state, happened, following in rows} == TRANSITIONS
    assert len(rows) == len(TRANSITIONS)


def test_the_documentations_drawing_has_every_transition_that_changes_the_state():
    drawn = set(re.findall(r"^ +(\w+) --> (\w+): ", PAGE.read_text(), re.MULTILINE))
    changes = {(state, to) for (state, _), to in TRANSITIONS.items() if state != to}
    assert {(a, b) for a, b in drawn if a != b} == changes


def test_the_documentation_says_after_how_many_idle_leases_a_delivery_fails():
    assert delivery.MAX_IDLE_LEASES == 5
    assert "five leases" in PAGE.read_text().lower()


def test_the_table_has_only_known_states_and_events():
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATES)
    assert {happened for _, happened in TRANSITIONS} == set(HAPPENINGS)


@pytest.mark.parametrize("state", STATES)
def test_a_success_delivers_from_any_state(state):
    assert next_state(state, SUCCESS) == DELIVERED


@pytest.mark.parametrize("happened", HAPPENINGS)
def test_delivered_is_a_final_state(happened):
    assert next_state(DELIVERED, happened) == DELIVERED


@pytest.mark.parametrize("state", STATES)
def test_a_failed_replay_changes_no_state(state):
    assert next_state(state, REPLAY_FAILED) == state


@pytest.mark.parametrize(
    ("state", "happened"), list(itertools.product((FAILED, CANCELLED), (RETRY, EXHAUSTED, STOPPED)))
)
def test_a_late_failure_changes_no_state(state, happened):
    assert next_state(state, happened) == state


@given(st.lists(st.sampled_from(HAPPENINGS)))
def test_only_a_success_leads_to_delivered_and_only_pending_can_fail_or_be_cancelled(happenings):
    state = PENDING
    for happened in happenings:
        following = next_state(state, happened)
        if following != state:
            assert state != DELIVERED
            if state != PENDING:
                assert following == (PENDING if happened == RECOVERED else DELIVERED)
        state = following
    assert (state == DELIVERED) == (SUCCESS in happenings)

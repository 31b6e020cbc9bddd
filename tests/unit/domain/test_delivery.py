"""The states of a delivery, and that the page that draws them says what the table says."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.delivery import (
    CANCELLED,
    DELIVERED,
    EXHAUSTED,
    FAILED,
    PENDING,
    REPLAY_FAILED,
    RETRY,
    STOPPED,
    SUCCESS,
    TRANSITIONS,
    after,
)

STATES = (PENDING, DELIVERED, FAILED, CANCELLED)
HAPPENINGS = (SUCCESS, RETRY, EXHAUSTED, STOPPED, REPLAY_FAILED)
PAGE = Path(__file__).parents[3] / "docs" / "delivery-states.md"


def test_the_documented_table_is_the_table():
    rows = re.findall(r"^\| `([a-z]+)` \| `([a-z ]+)` \| `([a-z]+)` \|", PAGE.read_text(), re.M)
    assert {(state, happened): then for state, happened, then in rows} == TRANSITIONS
    assert len(rows) == len(TRANSITIONS)


def test_the_drawing_shows_every_move_between_two_states_and_no_other():
    drawing = PAGE.read_text().partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r"^ *([a-z]+) --> ([a-z]+)", drawing, re.M))
    moves = {(state, then) for (state, _), then in TRANSITIONS.items() if state != then}
    assert {(a, b) for a, b in drawn if a != b} == moves


def test_the_table_speaks_of_known_states_and_happenings_only():
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(STATES)
    assert {happened for _, happened in TRANSITIONS} == set(HAPPENINGS)


@pytest.mark.parametrize("state", STATES)
def test_a_success_makes_a_delivery_delivered_from_any_state(state):
    assert after(state, SUCCESS) == DELIVERED


@pytest.mark.parametrize("state", STATES)
def test_a_failed_replay_leaves_the_state_as_it_was(state):
    assert after(state, REPLAY_FAILED) == state


@pytest.mark.parametrize("happened", [RETRY, EXHAUSTED, STOPPED])
@pytest.mark.parametrize("state", [DELIVERED, FAILED, CANCELLED])
def test_what_comes_late_moves_nothing(state, happened):
    assert after(state, happened) == state


@given(st.lists(st.sampled_from(HAPPENINGS)))
def test_whatever_happens_delivered_is_final_and_only_pending_can_be_stopped(happenings):
    state = PENDING
    for happened in happenings:
        before, state = state, after(state, happened)
        assert state in STATES
        assert before != DELIVERED or state == DELIVERED
        assert before == PENDING or state in {before, DELIVERED}
    assert (state == DELIVERED) == (SUCCESS in happenings)

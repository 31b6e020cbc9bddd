"""Event patterns: what they match, and the list that the databases look up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.event_pattern import (
    ALL_EVENTS,
    EVENT_NAME,
    is_prefix_pattern,
    matches,
    patterns_matching,
)

NAMES = st.from_regex(EVENT_NAME, fullmatch=True)


@pytest.mark.parametrize(
    ("name", "patterns"),
    [
        ("contact.created", ("*", "contact.*", "contact.created")),
        ("deal.stage.won", ("*", "deal.*", "deal.stage.*", "deal.stage.won")),
        ("ping", ("*", "ping")),
        ("a..b", ("*", "a.*", "a..*", "a..b")),
        (".hidden", ("*", ".hidden")),
        ("open.", ("*", "open.*", "open.")),
    ],
)
def test_a_name_is_matched_by_all_one_for_each_dot_and_itself(name, patterns):
    assert patterns_matching(name) == patterns


@pytest.mark.parametrize(
    "text", ["*", ".*", "contact*", "contact.**", "*.created", "Contact.*", "con tact.*", "a.*.b"]
)
def test_what_is_no_prefix_pattern(text):
    assert not is_prefix_pattern(text)


def test_a_prefix_pattern_matches_what_begins_with_it_and_nothing_else():
    assert matches("contact.*", "contact.created")
    assert matches("contact.*", "contact.note.added")
    assert not matches("contact.*", "contact")
    assert not matches("contact.*", "contacts.created")
    assert not matches("contact", "contact.created")


@given(NAMES, NAMES | st.just(ALL_EVENTS) | NAMES.map(lambda name: f"{name[:120]}.*"))
def test_the_list_of_a_name_holds_exactly_the_patterns_that_match_it(name, pattern):
    listed = patterns_matching(name)
    assert (pattern in listed) == matches(pattern, name)
    assert all(matches(one, name) for one in listed)

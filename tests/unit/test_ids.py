"""Ids are in order, unique, and of a form that can be checked."""

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.signing import check_secret
from winnerr_webhooks.ids import (
    ID_LENGTH,
    Ids,
    Jitter,
    delivery_id,
    id_floor,
    id_ms,
    is_id,
    new_api_key,
    new_secret,
    webhook_number,
)


class Clock:
    """A clock that a test moves, also backwards."""

    def __init__(self, ms=1_736_951_000_000):
        self.ms = ms

    def now_ms(self):
        return self.ms

    def monotonic(self):
        return self.ms / 1000


def test_an_id_is_its_kind_and_26_characters():
    new = Ids(Clock()).new("evt")
    assert new.startswith("evt_")
    assert len(new) == 4 + ID_LENGTH
    assert is_id("evt", new)
    assert not is_id("att", new)


@given(st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=60))
def test_ids_stay_in_order_and_unique_even_if_the_clock_jumps(moments):
    clock = Clock()
    ids = Ids(clock)
    made = []
    for clock.ms in moments:
        made += [ids.new("evt"), ids.new("evt")]
    assert all(one < other for one, other in itertools.pairwise(made))


def test_ids_stay_in_order_beyond_every_digit_of_the_counter():
    ids = Ids(Clock())
    made = []
    for count in (1022, 2**20 - 2, 2**30 - 2):
        ids._counter = count
        made += [ids.new("evt") for _ in range(4)]
    assert made == sorted(set(made))


def test_two_nodes_never_generate_the_same_id():
    clock = Clock()
    one, other = Ids(clock), Ids(clock)
    assert not {one.new("evt") for _ in range(500)} & {other.new("evt") for _ in range(500)}


def test_ids_of_several_nodes_sort_by_their_millisecond():
    clock = Clock()
    one, other = Ids(clock), Ids(clock)
    earlier = [one.new("evt") for _ in range(50)]
    clock.ms += 1
    assert max(earlier) < other.new("evt")


@given(st.integers(1, 2**48 - 2))
def test_a_floor_sorts_before_all_ids_of_its_millisecond_and_after_earlier_ones(ms):
    clock = Clock(ms)
    before = Ids(clock).new("evt")
    clock.ms += 1
    assert before < id_floor("evt", ms + 1) < Ids(clock).new("evt")


@given(st.integers(0, 2**48 - 1))
def test_the_millisecond_of_an_id_or_a_floor_can_be_read(ms):
    assert id_ms(Ids(Clock(ms)).new("att")) == id_ms(id_floor("att", ms)) == ms


def test_a_floor_before_1970_is_the_lowest():
    assert id_floor("evt", -5) == id_floor("evt", 0) == "evt_" + "0" * 26


@pytest.mark.parametrize(
    "text",
    [
        *["", "evt", "evt_", "EVT_" + "0" * 26, "evt_" + "0" * 25, "evt_" + "0" * 35],
        *["evt_" + "0" * 25 + last for last in ("i", "A", "٣", "\n", "'")],
    ],
)
def test_other_texts_are_not_ids(text):
    assert not is_id("evt", text)


@pytest.mark.parametrize("number", [0, 1, 31, 32, 2**20 - 1])
def test_a_delivery_names_its_event_and_webhook(number):
    event = Ids(Clock()).new("evt")
    delivery = delivery_id(event, number)
    assert delivery.startswith("dlv_" + event[4:])
    assert is_id("dlv", delivery)
    assert webhook_number(delivery) == number


@pytest.mark.parametrize("text", ["", "dlv_", "evt_" + "0" * 30, "dlv_" + "0" * 29 + "u", "0000"])
def test_other_texts_have_no_webhook_number(text):
    assert webhook_number(text) == -1


@given(st.text(max_size=40))
def test_any_text_is_parsed_without_an_exception(text):
    assert is_id("dlv", text) in (True, False)
    assert webhook_number(text) >= -1
    assert webhook_number("dlv_" + text) >= -1


def test_a_new_secret_has_32_bytes_in_a_form_that_is_accepted():
    secret = new_secret()
    check_secret(secret)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret[6:], validate=True)) == 32
    assert secret != new_secret()


def test_a_new_api_key_has_256_bits():
    key = new_api_key()
    assert key.startswith("wwk_")
    assert len(base64.urlsafe_b64decode(key[4:] + "=")) == 32
    assert key != new_api_key()


@given(st.floats(0, 1e6), st.floats(0, 1), st.integers(0, 1000))
def test_jitter_stays_within_its_fraction(seconds, share, seed):
    wait = Jitter(seed).around(seconds, share)
    assert seconds * (1 - share) - 1e-9 <= wait <= seconds * (1 + share) + 1e-9


def test_jitter_with_a_seed_repeats_itself():
    assert Jitter(3).around(10) == Jitter(3).around(10) != Jitter(4).around(10)

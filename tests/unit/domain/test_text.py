"""Texts are English strings that keep what a translation needs."""

import pytest

from winnerr_webhooks.domain.language_choice import choose_language
from winnerr_webhooks.domain.text import Sentences, Text, counted
from winnerr_webhooks.domain.time_spans import time_span


def test_a_text_is_its_english_wherever_a_string_is_expected():
    text = Text("At most {limit:,} characters for {name}.", limit=2_048, name="url")
    assert text == "At most 2,048 characters for url."
    assert isinstance(text, str)
    assert type(str(text)) is str
    assert (text.template, text.values) == (
        "At most {limit:,} characters for {name}.",
        {"limit": 2_048, "name": "url"},
    )


def test_braces_of_a_text_without_values_stand_for_themselves():
    assert Text("express.raw({type: 'application/json'})") == (
        "express.raw({type: 'application/json'})"
    )


def test_values_can_be_filled_in_later_and_unused_ones_do_not_matter():
    template = Text("There is no host named {host}.")
    assert template.fill(host="a.test", limit=1) == "There is no host named a.test."
    assert Sentences(template, "", Text("Check it.")).fill(host="b.test") == (
        "There is no host named b.test. Check it."
    )


def test_a_count_chooses_between_singular_and_plural():
    assert [counted("{count} event", "{count} events", n) for n in (0, 1, 1_204)] == [
        "0 events", "1 event", "1,204 events",
    ]  # fmt: skip


def test_a_time_span_is_in_its_largest_unit():
    assert [time_span(n) for n in (1, 59, 119, 7_200, 200_000)] == [
        "1 second", "59 seconds", "1 minute", "2 hours", "2 days",
    ]  # fmt: skip
    assert time_span(119, round) == "2 minutes"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", "en"),
        ("de", "fr", "de"),
        ("de-CH", "", "de"),
        ("PT-br", "", "pt-BR"),
        ("pt-PT", "", "pt-BR"),
        ("nl", "fr", "fr"),
        (None, "fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        (None, "nl, es;q=0.3, de;q=0.7", "de"),
        (None, "de;q=0, es", "es"),
        (None, "*", "en"),
        (None, "zh-Hans", "en"),
        (None, ";;q=,=,de;q=x,\x00, es", "es"),
        (None, "de;q=1e9, fr", "fr"),
        (None, ",".join(["nl"] * 30) + ",de", "en"),
    ],
)
def test_the_link_decides_then_the_browser_then_the_setting(asked, accepted, language):
    assert choose_language(asked, accepted, "en") == language


def test_the_default_counts_when_nobody_asks_for_a_language_that_is_there():
    assert choose_language("nl", "ja", "fr") == "fr"

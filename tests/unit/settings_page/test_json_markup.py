"""JSON with colours: the characters stay as they are, whatever they are."""

import json
import re
from html import unescape

import pytest
from markupsafe import Markup

from winnerr_webhooks.settings_page.json_markup import MAX_MARKED, json_markup

NESTED = {
    "event": "deal.created",
    "data": {"n": -1.5e3, "ok": True, "none": None, "list": [1, {"a": []}], "empty": {}},
    "text": 'a "quoted" <b>\\n: {"x": [1]}',
}


def text_of(markup):
    return unescape(re.sub(r"<[^>]+>", "", markup))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(NESTED, indent=2),
        json.dumps(NESTED),
        "[]",
        "{",
        "]",
        '{"a": [}',
        "not JSON at all: {",
        '"unfinished',
        "",
        "<script>alert(1)</script>",
        '{"key\\"": "a\\\\"}',
        "[\n" * 50 + "]" * 50,
    ],
)
def test_the_characters_of_a_text_stay_and_nothing_in_it_is_markup(text):
    markup = json_markup(text)
    assert isinstance(markup, Markup)
    assert text_of(markup) == text
    assert markup.count("<span") == markup.count("</span>")
    assert set(re.findall(r"<(\w+)", markup)) <= {"span"}


def test_each_token_has_the_class_of_its_kind():
    markup = json_markup(json.dumps({"a": "b", "c": [1, True, None]}))
    found = re.findall(r'<span class="json-(\w+)">([^<]+)</span>', markup)
    assert [(kind, unescape(text)) for kind, text in found] == [
        ("key", '"a"'), ("string", '"b"'), ("key", '"c"'),
        ("number", "1"), ("word", "true"), ("word", "null"),
    ]  # fmt: skip


def test_only_what_stands_on_lines_of_its_own_can_be_folded():
    assert json_markup(json.dumps(NESTED, indent=2)).count('class="fold"') == 4
    assert 'class="fold"' not in json_markup(json.dumps(NESTED))


def test_characters_that_are_not_seen_are_marked_as_elsewhere():
    assert 'data-code="U+202E"' in json_markup('{"a": "\u202e"}')


def test_a_very_long_text_stays_plain():
    text = json.dumps(["x"] * MAX_MARKED)
    assert "<" not in json_markup(text)
    assert text_of(json_markup(text)) == text


def test_text_that_only_looks_like_a_deep_list_takes_no_long_time():
    assert text_of(json_markup("[" * MAX_MARKED)) == "[" * MAX_MARKED
    assert text_of(json_markup('"' * (MAX_MARKED - 1))) == '"' * (MAX_MARKED - 1)

"""Why a text is not JSON, in words that have translations."""

import json

import msgspec
import pytest

from winnerr_webhooks.domain.json_mistakes import json_mistake
from winnerr_webhooks.domain.text import Text


def mistake_in(text, decode=json.loads):
    try:
        decode(text)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        return json_mistake(text, error)
    raise AssertionError(f"{text} is JSON")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a value is missing at line 1, column 1"),
        ('{"a":\n  }', "a value is missing at line 2, column 3"),
        ("{a: 1}", "a name in double quotes is missing at line 1, column 2"),
        ('{"a" 1}', "a colon is missing at line 1, column 6"),
        ('{"a": 1 "b": 2}', "a comma or a closing bracket is missing at line 1, column 9"),
        ('{"a": "b}', "the string that begins at line 1, column 7 has no end"),
        ('{"a": "\n"}', "in a string at line 1, column 8"),
        ('{"a": "\\x"}', "a backslash is wrong at line 1, column 8"),
        ('{"a": "\\u12"}', "a backslash is wrong at line 1, column"),
        ("{} {}", "more follows after its end at line 1, column 4"),
        ("\ufeff{}", "it begins with a byte order mark"),
    ],
)
@pytest.mark.parametrize("decode", [json.loads, msgspec.json.decode])
def test_a_mistake_is_named_with_its_place_whatever_parser_found_it(text, says, decode):
    found = mistake_in(text, decode)
    assert isinstance(found, Text)
    assert says in found


def test_a_comma_before_a_bracket_is_named_with_its_place():
    """Python before 3.13 names what it expects after the comma instead."""
    for text in ('{"a": 1,}', "[1,]"):
        assert isinstance(mistake_in(text), Text)
        assert "at line 1, column" in mistake_in(text)


def test_a_constant_of_python_is_no_value():
    assert mistake_in("[NaN]", msgspec.json.decode) == "NaN is no value of JSON"


def test_what_only_the_parser_knows_is_in_its_words():
    assert json_mistake("{}", ValueError("Half of a pair.")) == "half of a pair"
    assert isinstance(json_mistake("[" * 100_000, RecursionError()), Text)

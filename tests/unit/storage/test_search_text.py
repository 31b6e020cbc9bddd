"""A text that is searched for, as patterns of SQLite's LIKE and as parts for PostgreSQL."""

import sqlite3

import pytest

from winnerr_webhooks.storage.search_text import search_text


@pytest.mark.parametrize(
    ("text", "inside", "found"),
    [
        ("jane", "Jane Smith", True),
        ("100%", "is 100% of", True),
        ("100%", "is 1000 of", False),
        ("a_b", "a_b", True),
        ("a_b", "axb", False),
        ("\\", "a\\b", True),
        ("é", "CAFÉ", True),
        ("É", "café", True),
        ("é", '{"x":"caf\\u00E9"}', True),
        ("straße", "STRASSE", True),
        ('say "hi"', '{"x":"say \\"hi\\""}', True),
        ("a/b", '{"x":"A\\/B"}', True),
        ("é/x", '{"x":"\\u00e9\\/x"}', True),
        ("é/x", '{"x":"é\\/x"}', True),
        ("a\\b", '{"x":"a\\\\b"}', True),
    ],
)
def test_a_pattern_finds_the_text_and_nothing_else(text, inside, found) -> None:
    database = sqlite3.connect(":memory:")
    matches = [
        database.execute("SELECT ? LIKE ? ESCAPE '\\'", (inside, pattern)).fetchone()[0]
        for pattern in search_text(text).patterns
    ]
    database.close()
    assert any(matches) == found


def test_plain_text_has_one_pattern() -> None:
    assert search_text("jane").patterns == ["%jane%"]
    assert search_text("Jane")[1:] == (["jane"], ["jane"])


def test_a_nul_is_searched_for_as_its_replacement() -> None:
    """PostgreSQL stores U+FFFD instead of a NUL."""
    assert search_text("a\0").parts[0] == "a\N{REPLACEMENT CHARACTER}"

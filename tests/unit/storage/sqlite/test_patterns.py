"""LIKE patterns."""

import sqlite3

import pytest

from winnerr_webhooks.storage.sqlite.patterns import like_patterns


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
    ],
)
def test_a_pattern_finds_the_text_and_nothing_else(text, inside, found) -> None:
    database = sqlite3.connect(":memory:")
    matches = [
        database.execute("SELECT ? LIKE ? ESCAPE '\\'", (inside, pattern)).fetchone()[0]
        for pattern in like_patterns(text)
    ]
    database.close()
    assert any(matches) == found


def test_plain_text_has_one_pattern() -> None:
    assert like_patterns("jane") == ["%jane%"]

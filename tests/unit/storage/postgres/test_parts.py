"""What is searched for is found in any bytes, whatever its case and however JSON wrote it."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.storage.postgres.parts import escaped, parts_of

_SEARCHABLE = "SELECT lower(encode($1::bytea, 'escape') COLLATE \"C\")"


def _lower(data: bytes) -> str:
    """As the database makes a body searchable; `test_bytes_are_escaped_as_…` holds it to that."""
    return escaped(data).encode().lower().decode()


def _is_found(text: str, body: bytes) -> bool:
    return any(part in _lower(body) for part in parts_of(text).searchable)


@pytest.mark.parametrize(
    ("text", "body", "found"),
    [
        ("jane", b"Jane Smith", True),
        ("JANE", b"jane", True),
        ("100%", b"is 100% of", True),
        ("100%", b"is 1000 of", False),
        ("a_b", b"a_b", True),
        ("a_b", b"axb", False),
        ("\\", b"a\\b", True),
        ("\\", "é\0\xff".encode(), False),
        ("a\\b", b"A\\B", True),
        ("a\\b", b"a\\\\b", False),
        ("\\n", b'{"a":"\\n"}', True),
        ("\\n", b"\n", False),
        ("é", "CAFÉ".encode(), True),
        ("É", "café".encode(), True),
        ("é", b'{"x":"caf\\u00E9"}', True),
        ("é", b"caf\xe9", False),
        ("303", "é".encode(), True),  # as it is written there: short numbers may be found so
        ("straße", b"STRASSE", True),
        ("übergrößen", "ÜBERGRÖSSEN".encode(), True),
        ("😀", "so 😀".encode(), True),
        ("😀", b'{"x":"\\ud83d\\ude00"}', True),
        ("😀", "so 😁".encode(), False),
        ("after", b"\xff\xfe\x80after", True),
        ("a\0b", b"A\0B", True),
        ("a\0b", b"ab", False),
    ],
)
def test_a_part_is_found_in_bytes(text, body, found) -> None:
    assert _is_found(text, body) == found


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.binary(), st.binary())
def test_a_text_is_found_wherever_its_bytes_are(text, before, after) -> None:
    assert _is_found(text, before + text.encode() + after)


@given(st.text("aB\\x03é😀", min_size=1, max_size=3), st.text("aB\\x03é😀", max_size=6))
def test_a_text_is_not_found_elsewhere_but_in_the_digits_of_an_escape(text, body) -> None:
    # digits and backslashes alone can lie across an escape: see `parts_of`
    if set(text) & set("aBxé😀") and not text.startswith("\\"):
        variants = {text, text.lower(), text.upper(), text.title(), text.capitalize()}
        parts = {one.encode().lower() for one in variants}
        parts |= {one.encode("ascii", "backslashreplace").lower() for one in variants}
        escapes = any(ord(letter) > 0xFFFF for letter in text)  # JSON writes these in two
        if not escapes:
            assert _is_found(text, body.encode()) == any(
                part in body.encode().lower() for part in parts
            )


def test_plain_text_is_one_part() -> None:
    assert parts_of("Jane") == (["jane"], ["jane"])


def test_a_nul_is_looked_for_in_bytes_and_as_its_stand_in_in_texts() -> None:
    assert parts_of("a\0") == (["a\N{REPLACEMENT CHARACTER}"], ["a\\000"])


async def test_bytes_are_escaped_as_the_database_does_it(empty_postgres_url: str) -> None:
    every = bytes(range(256)) + "Ünïcode 😀 \\ % _".encode()
    connection = await asyncpg.connect(empty_postgres_url)
    try:
        assert await connection.fetchval(_SEARCHABLE, every) == _lower(every)
    finally:
        await connection.close()

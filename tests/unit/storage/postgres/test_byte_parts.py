"""What is searched for is found in any bytes, whatever its case and however JSON wrote it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.thorough import examples

from winnerr_webhooks.storage import postgres
from winnerr_webhooks.storage.search_text import search_text
from winnerr_webhooks.storage.statements import statements_of

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


@pytest.fixture
async def connection(empty_postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(empty_postgres_url)
    yield opened
    await opened.close()


async def _is_found(connection: asyncpg.Connection, text: str, body: bytes) -> bool:
    searchable = statements_of(postgres.__name__)["searchable"]
    found: bool = await connection.fetchval(
        "SELECT bool_or(strpos(searchable.text, part) > 0) "
        f"FROM (SELECT {searchable} AS text FROM (SELECT $1::bytea AS body) AS one) AS searchable, "
        "unnest($2::text[]) AS part",
        body,
        search_text(text).byte_parts,
    )
    return found


PARTS = [
    ("jane", b"Jane Smith", True),
    ("JANE", b"jane", True),
    ("100%", b"is 100% of", True),
    ("100%", b"is 1000 of", False),
    ("a_b", b"a_b", True),
    ("a_b", b"axb", False),
    ("\\", b"a\\b", True),
    ("\\", "é\0\xff".encode(), False),
    ("a\\b", b"A\\B", True),
    ("a\\b", b"a\\\\b", True),  # as JSON writes it
    ("\\n", b'{"a":"\\n"}', True),
    ("\\n", b"\n", False),
    ("\\303", b"\\\xc3", False),
    ("303", "é".encode(), False),
    ("c3a9", "é".encode(), False),
    ("é", "CAFÉ".encode(), True),
    ("É", "café".encode(), True),
    ("é", b'{"x":"caf\\u00E9"}', True),
    ("é", b"caf\xe9", False),
    ("é", "Ã©".encode(), False),
    ("é", "è".encode(), False),
    ("straße", b"STRASSE", True),
    ("übergrößen", "ÜBERGRÖSSEN".encode(), True),
    ("😀", "so 😀".encode(), True),
    ("😀", b'{"x":"\\ud83d\\ude00"}', True),
    ("😀", "so 😁".encode(), False),
    ("after", b"\xff\xfe\x80after", True),
    ("café", b"\x80caf\xc3\xa9\xff", True),
    ("b\0c", b"a\0B\0C", True),
    ("b\0c", b"a\0bc", False),
    ("é", b"\0\xc3\xa9", True),
    ("x\\y", b"\0x\\y", True),
    ("000", b"\0\\000", True),
    ("357", b"\0\\000", False),
    ("\\\0", b"\\\0", True),
    ("anything", b"", False),
]


async def test_a_part_is_found_in_bytes_and_nowhere_else(connection, subtests) -> None:
    for text, body, found in PARTS:
        with subtests.test(text=text, body=body):
            assert await _is_found(connection, text, body) == found


# one database is enough for all examples: they only ask
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, before=st.binary(), after=st.binary())
async def test_a_text_is_found_wherever_its_bytes_are(connection, text, before, after) -> None:
    assert await _is_found(connection, text, before + text.encode() + after)


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("aB\\x03", min_size=1, max_size=3), body=st.binary() | TEXTS.map(str.encode))
async def test_a_text_in_ascii_is_found_nowhere_else(connection, text, body) -> None:
    assert await _is_found(connection, text, body) == (text.lower().encode() in body.lower())

"""Parts of texts that are searched for, written as the database compares them."""

from typing import NamedTuple

from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.variants import variants


class Parts(NamedTuple):
    """A text is there wherever one of these is; in lower case, as what they are compared with."""

    texts: list[str]
    """In texts."""
    searchable: list[str]
    """In bytes as `searchable` in log.sql writes them."""


def parts_of(text: str) -> Parts:
    """What to look for when somebody looks for `text`.

    A body is any bytes, so it cannot be read as the UTF-8 it mostly is. Read as ISO 8859-1 it
    can always be (each byte is a character of its own), and so can what is looked for.
    """
    found = [_lower(variant) for variant in variants(storable(text))]
    texts = list(dict.fromkeys(found))
    return Parts(texts, [one.encode().decode("iso-8859-1") for one in texts])


def _lower(text: str) -> str:
    return text.encode().lower().decode()  # of bytes, it is ASCII's case alone

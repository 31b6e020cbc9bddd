r"""The ways in which a text that is searched for may be written, as each database compares them.

Without a language, databases fold the case of ASCII alone. So other letters are searched for in the
variants that occur. A JSON body may also hold them as `\u00e9`, whose digits are ASCII again.
It has `\"` for a quote, and often `\/` for a slash.
"""

import json
from typing import Final, NamedTuple

NUL: Final = "\0"
_IN_ASCII: Final = (True, False)
"""JSON is written in ASCII alone, or with other letters as they are."""
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class SearchText(NamedTuple):
    """A text occurs wherever one of these does."""

    patterns: list[str]
    r"""SQLite: for `LIKE … ESCAPE '\'`."""
    parts: list[str]
    """PostgreSQL: parts of texts, in lower case as the texts they are compared with."""
    byte_parts: list[str]
    """PostgreSQL: parts of bytes as `searchable` in postgres_log.sql writes them.

    A body is any bytes, so it cannot be read as the UTF-8 it mostly is. It can always be read as
    ISO 8859-1 (each byte is one character), and so can the text that is searched for.
    """


def search_text(text: str) -> SearchText:
    """Return what to look for when somebody searches for `text`."""
    lower = dict.fromkeys(_lower(one) for one in variants(text.replace(NUL, REPLACEMENT)))
    return SearchText(
        patterns=[f"%{_escaped(one)}%" for one in variants(text)],
        parts=list(lower),
        byte_parts=[one.encode().decode("iso-8859-1") for one in lower],
    )


def variants(text: str) -> list[str]:
    """Return texts of which one occurs wherever `text` does, for a search that folds ASCII only."""
    found = [text]
    if not text.isascii():
        found += [text.lower(), text.upper(), text.title(), text.capitalize()]
    written = [
        json.dumps(one, ensure_ascii=in_ascii)[1:-1] for one in found for in_ascii in _IN_ASCII
    ]
    found += written + [one.replace("/", "\\/") for one in written]
    return list(dict.fromkeys(found))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _lower(text: str) -> str:
    return text.encode().lower().decode()  # lower() of bytes changes ASCII alone

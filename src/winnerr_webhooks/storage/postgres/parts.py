"""Parts of texts that are searched for, written as the database compares them."""

from typing import NamedTuple

from winnerr_webhooks.storage.postgres.text import storable
from winnerr_webhooks.storage.variants import variants

_BACKSLASH = ord("\\")


class Parts(NamedTuple):
    """A text is there wherever one of these is, case aside."""

    texts: list[str]
    """In texts in lower case."""
    searchable: list[str]
    """In bytes as `lower(encode(bytes, 'escape'))` writes them."""


def parts_of(text: str) -> Parts:
    r"""What to look for when somebody looks for `text`.

    A body is any bytes, so it cannot be made a text; `encode(…, 'escape')` makes one of it that
    holds its ASCII as it is, and folding the case of ASCII does not touch the rest. (It cannot
    be told where an escape begins, so a text that starts in the middle of one, such as `\303`,
    is found after a backslash, too.)
    """
    found = [_lower(variant) for variant in variants(text)]
    return Parts(
        texts=list(dict.fromkeys(map(storable, found))),
        searchable=list(dict.fromkeys(escaped(one.encode()) for one in found)),
    )


def escaped(data: bytes) -> str:
    r"""Bytes as `encode(data, 'escape')` writes them: `\ooo` for NUL and from 0x80 on."""
    return "".join(map(_escape, data))


def _escape(byte: int) -> str:
    if byte == _BACKSLASH:
        return r"\\"
    return chr(byte) if 0 < byte < 0x80 else f"\\{byte:03o}"  # noqa: PLR2004  ASCII ends there


def _lower(text: str) -> str:
    return text.encode().lower().decode()  # of bytes, it is ASCII's case alone

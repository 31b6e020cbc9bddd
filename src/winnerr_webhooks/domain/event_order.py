"""The order of a webhook's deliveries: one for all, or one for each value of a path.

A path leads to a member of the payload, such as `data.id`.
"""

import hashlib
import re
from typing import Final

import msgspec

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.text import Text

ONE_ORDER: Final = ""
"""The path of a webhook all of whose deliveries are in one order."""
LONGEST_PATH: Final = 200
_PATH: Final = re.compile(r"event|timestamp|organizationId|data(\.[A-Za-z_][A-Za-z0-9_-]*){0,8}")
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_order(ordered: bool | str) -> str | None:  # noqa: FBT001  it is what the API calls so
    """Return a webhook's order: None for none, `ONE_ORDER`, or a path. Raises `Invalid`."""
    if isinstance(ordered, bool):
        return ONE_ORDER if ordered else None
    if len(ordered) > LONGEST_PATH or not _PATH.fullmatch(ordered):
        raise Invalid.field(
            "/ordered",
            Text(
                "The path must lead to a member of the payload, such as `data.id`: names of "
                "letters, digits, `_` and `-`, with dots between them, at most 8 below `data`."
            ),
        )
    return ordered


def order_key(body: bytes, path: str) -> str:
    """Return what all events of one order share. PostgreSQL's `order_key` makes the same.

    It is a hash of the member's text. Without such a member, or with null, it is that of no text.
    Escaped characters are made unlike others, as not every database can read all of them.
    """
    if path == ONE_ORDER:
        return ""
    value: bytes = body.replace(b"\\u", b"/")
    for name in path.split("."):
        try:
            value = bytes(_members.decode(value).get(name, b"null"))
        except msgspec.DecodeError:  # it is no object
            value = b"null"
    text = b"" if value == b"null" else value
    if text.startswith(b'"'):
        text = msgspec.json.decode(text, type=str).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest()

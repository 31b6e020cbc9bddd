"""JSON that commands print."""

from typing import Final

import msgspec

_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
"""A `Text` is a string too."""


def json_line(value: object) -> str:
    """Return a value as JSON on one line, without its line end."""
    return _encode(value).decode()


def json_document(value: object) -> str:
    """Return a value as indented JSON."""
    return msgspec.json.format(json_line(value), indent=2)

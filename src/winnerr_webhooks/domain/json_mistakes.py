"""Why a text is not JSON, in words that the settings page can translate. Pure.

Parsers name the mistakes in English, and each in its own way.
"""

import json
from typing import Final

from winnerr_webhooks.domain.text import Text

_NESTED: Final = Text("it is nested too deep")
_COMMA: Final = Text("a comma stands before a closing bracket at line {line}, column {column}")
_MISTAKES: Final = {
    "Expecting value": Text("a value is missing at line {line}, column {column}"),
    "Expecting property name enclosed in double quotes": Text(
        "a name in double quotes is missing at line {line}, column {column}"
    ),
    "Expecting ':' delimiter": Text("a colon is missing at line {line}, column {column}"),
    "Expecting ',' delimiter": Text(
        "a comma or a closing bracket is missing at line {line}, column {column}"
    ),
    "Unterminated string starting at": Text(
        "the string that begins at line {line}, column {column} has no end"
    ),
    "Invalid control character at": Text(
        "a line break or another control character is in a string at line {line}, column {column}"
    ),
    "Invalid \\escape": Text("a backslash is wrong at line {line}, column {column}"),
    "Invalid \\uXXXX escape": Text("a backslash is wrong at line {line}, column {column}"),
    "Extra data": Text("more follows after its end at line {line}, column {column}"),
    "Illegal trailing comma before end of object": _COMMA,
    "Illegal trailing comma before end of array": _COMMA,
    "Unexpected UTF-8 BOM (decode using utf-8-sig)": Text("it begins with a byte order mark (BOM)"),
}
"""Each mistake by what Python's parser calls it."""


def json_mistake(text: str, error: Exception) -> str:
    """Say why a text is not JSON, as the end of a sentence; `error` is what its parser raised.

    A mistake that only that parser finds, and that has no words here, is in the parser's words.
    """
    if isinstance(error, RecursionError):
        return _NESTED
    try:
        json.loads(text, parse_constant=_refuse, parse_int=float)
    except json.JSONDecodeError as found:
        known = _MISTAKES.get(found.msg)
        if known is not None:
            return known.fill(line=found.lineno, column=found.colno)
    except _NoValue as found:
        return Text("{name} is no value of JSON", name=str(found))
    except (ValueError, RecursionError):
        pass
    return f"{str(error)[:1].lower()}{str(error)[1:]}".rstrip(".")


class _NoValue(Exception):  # noqa: N818  it is caught here
    """A constant that Python reads and JSON does not have."""


def _refuse(name: str) -> None:
    raise _NoValue(name)

"""Whether an event that comes again under its `id` is the same event (CONTRACT, Said more exactly).

Nearly every repeat has the same bytes, and a fingerprint of them says so. This is for the others:
the same JSON values, written by another encoder.
"""

import json
from decimal import Decimal
from typing import Any


def is_repeat(first: bytes, again: bytes) -> bool:
    """Whether two payloads hold the same event and data; their timestamps are not compared.

    The order of keys, escapes and white space do not count. Numbers are the same when they are
    numerically equal, to the last digit: `1.0` is `1` (RFC 6902, 4.6).
    """
    one, other = _values(first), _values(again)
    return bool(one["event"] == other["event"] and one["data"] == other["data"])


def _values(payload: bytes) -> Any:
    return json.loads(payload, object_pairs_hook=_object, parse_int=_number, parse_float=_number)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """An object; one with a key given twice is the same only if its pairs are."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else pairs


def _number(text: str) -> tuple[Any]:
    """A number as its exact value; in a tuple, or 1 would equal true."""
    try:
        return (Decimal(text),)
    except ArithmeticError:  # an exponent of more digits than a Decimal has
        return (text,)

"""Idempotency: whether a second event with the same `id` is the same event.

Nearly every repeated call has the same bytes, which `domain.event.fingerprint` recognizes. This
module handles the rest: equal JSON values that another encoder wrote.
"""

import json
from decimal import Decimal
from typing import Any


def is_repeat(first: bytes, second: bytes) -> bool:
    """Whether two payloads have the same event and data. Timestamps are not compared.

    Key order, escapes and white space do not matter. Numbers are compared by their exact value:
    `1.0` equals `1` (RFC 6902, section 4.6).
    """
    one, other = _values(first), _values(second)
    return bool(one["event"] == other["event"] and one["data"] == other["data"])


def _values(payload: bytes) -> Any:
    return json.loads(payload, object_pairs_hook=_object, parse_int=_number, parse_float=_number)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """Return an object's members; an object with a repeated key is compared pair by pair."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else pairs


def _number(text: str) -> tuple[Any]:
    """Return a number's exact value, in a tuple because otherwise 1 would equal `true`."""
    try:
        return (Decimal(text),)
    except ArithmeticError:  # the exponent is too large for a Decimal
        return (text,)

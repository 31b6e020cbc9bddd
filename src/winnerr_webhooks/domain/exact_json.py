"""JSON with exact numbers: no digit is lost, and no number is too large.

`1`, `1.0` and `10e-1` are equal, 2⁵³ and 2⁵³ + 1 are not, and `1e400` is a number like all others.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_SHORT: Final = 18
"""Digits of an integer that Python's own arithmetic compares at once."""
_CHUNK: Final = 4_000
"""Python converts up to 4,300 digits at once."""


class Number(NamedTuple):
    """A number that is not a short integer: `sign` times 0.`digits` times 10^`exponent`.

    `digits` begins and ends with a digit other than 0, so equal numbers have equal fields.
    """

    sign: int
    """1 or -1; 0 for zero."""
    exponent: int
    digits: str


def parse(text: bytes | str) -> Any:
    """Return a JSON value whose numbers are `int` or `Number`. Raises `ValueError`.

    Of a key that is given twice, the last value counts.
    """
    return _decode(text if isinstance(text, str) else text.decode())


def number_of(value: Any) -> int | Number | None:
    """Return a number as it is; None if the value is not one. True and false are none."""
    if isinstance(value, Number) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return None


def compare(one: int | Number, other: int | Number) -> int:
    """Return -1, 0 or 1, as `one` is less than, equal to or greater than `other`."""
    if isinstance(one, int) and isinstance(other, int):
        return (one > other) - (one < other)
    a, b = _as_number(one), _as_number(other)
    if a.sign != b.sign:
        return -1 if a.sign < b.sign else 1
    left, right = (a.exponent, a.digits), (b.exponent, b.digits)
    return a.sign * ((left > right) - (left < right))


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same. The order of an object's keys does not count."""
    a, b = number_of(one), number_of(other)
    if a is not None or b is not None:
        return a is not None and b is not None and compare(a, b) == 0
    if isinstance(one, dict):
        return _equal_objects(one, other) if isinstance(other, dict) else False
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


def _equal_objects(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)


def _integer(text: str) -> int | Number:
    return int(text) if len(text) <= _SHORT else _number(text)


def _number(text: str) -> int | Number:
    """Return the number of a JSON text, as a short integer if it is one."""
    mantissa, _, power = text.lower().partition("e")
    sign = -1 if mantissa.startswith("-") else 1
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    whole = whole.lstrip("0")
    digits = (whole + fraction).rstrip("0")
    leading = len(digits) - len(digits.lstrip("0"))
    digits = digits[leading:]
    if not digits:
        return 0
    exponent = len(whole) - leading + (_long_integer(power) if power else 0)
    if len(digits) <= exponent <= _SHORT:
        return sign * int(digits.ljust(exponent, "0"))
    return Number(sign, exponent, digits)


def _as_number(value: int | Number) -> Number:
    if isinstance(value, Number):
        return value
    digits = str(abs(value))
    return Number((value > 0) - (value < 0), len(digits), digits.rstrip("0"))


def _long_integer(text: str) -> int:
    digits = text.lstrip("+-")
    value = 0
    for start in range(0, len(digits), _CHUNK):
        part = digits[start : start + _CHUNK]
        value = value * 10 ** len(part) + int(part)
    return -value if text.startswith("-") else value


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


_decode: Final = json.JSONDecoder(
    parse_int=_integer, parse_float=_number, parse_constant=_refuse
).decode

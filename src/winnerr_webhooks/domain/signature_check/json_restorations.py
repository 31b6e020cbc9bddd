"""What encoders lose when they write JSON again, and the guesses that may bring it back.

A sorted object has lost the order of its keys, JavaScript loses the `.0` of a whole number and
rounds large ones, PHP turns `{}` into `[]`, and a typed model may write times in another form. Each
guess is a value like the one given, with one such loss undone.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice, permutations
from typing import Any, Final, NamedTuple

from winnerr_webhooks.domain.signature_check.json_styles import Members, Number, parse
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.timestamp import normalise

ENVELOPE: Final = ("event", "timestamp", "organizationId", "data")
"""The keys of a payload, in the order in which they are sent."""
_REORDERED: Final = Text("changed the order of keys")
_REDATED: Final = Text("wrote the timestamp in another form")
_MAX_PLACES: Final = 8
"""How many numbers, or empty containers, are restored one at a time."""
_MAX_ORDERS: Final = 720
"""How many orders of the keys of `data` are tried: all of six keys."""
_MAX_ROUNDING: Final = 256
"""How far JavaScript moves a number of 19 digits: its doubles are 256 apart there."""


class _Loss(NamedTuple):
    """What an encoder does to some parts of a value, and how to undo it."""

    phrase: str
    is_part: Callable[[Any], bool]
    undo: Callable[[Any], Any]


def _is_whole(value: Any) -> bool:
    return isinstance(value, Number) and re.fullmatch(r"-?[0-9]+(\.0)?", value) is not None


def _is_tenths(value: Any) -> bool:
    return isinstance(value, Number) and re.fullmatch(r"-?[0-9]+\.[0-9]", value) is not None


def _is_large(value: Any) -> bool:
    """Whether JavaScript may have rounded it: it is beyond 2^53."""
    return isinstance(value, Number) and re.fullmatch(r"-?[0-9]{16,19}", value) is not None


def _less_rounding(difference: int) -> Callable[[Any], Any]:
    return lambda number: Number(int(number) + difference)


_LOSSES: Final = (
    _Loss(
        Text("lost the decimals of a number"),
        _is_whole,
        lambda n: Number(n.partition(".")[0] + ".0"),
    ),
    _Loss(
        Text("lost the decimals of a number"),
        _is_whole,
        lambda n: Number(n.partition(".")[0] + ".00"),
    ),
    _Loss(
        Text("lost the last zero of a number, such as of 12.50"),
        _is_tenths,
        lambda n: Number(n + "0"),
    ),
    _Loss(
        Text("turned empty objects into empty arrays"),
        lambda value: isinstance(value, list) and not value,
        lambda _: Members(),
    ),
    _Loss(
        Text("turned empty arrays into empty objects"),
        lambda value: isinstance(value, Members) and not value,
        lambda _: [],
    ),
)


_ROUNDINGS: Final = tuple(
    _Loss(Text("rounded a large number"), _is_large, _less_rounding(sign * distance))
    for distance in range(1, _MAX_ROUNDING + 1)
    for sign in (1, -1)
)


def restorations(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each guess as (what writing again did, value before that), likely ones first."""
    redated = _timestamp_as_sent(value)
    if redated is not None:
        yield _REDATED, redated
        for lost, guess in _guesses(redated):
            yield f"{_REDATED} and {lost}", guess
    yield from _guesses(value)
    if count := _count(value, _is_large):
        yield from _restored(value, [(loss, count) for loss in _ROUNDINGS], "")


def _timestamp_as_sent(value: Any) -> Members | None:
    """Return a payload with its timestamp in the form that is sent; None if it has that form."""
    if not isinstance(value, Members):
        return None
    sent = Members(
        (key, (normalise(inner) or inner) if key == "timestamp" and type(inner) is str else inner)
        for key, inner in value
    )
    return None if sent == value else sent


def _guesses(value: Any) -> Iterator[tuple[str, Any]]:
    losses = [(loss, count) for loss in _LOSSES if (count := _count(value, loss.is_part))]
    in_order = envelope_in_order(value)
    if in_order is None:
        yield from _restored(value, losses, "")
        return
    yield _REORDERED, in_order
    yield from _restored(in_order, losses, f"{_REORDERED} and ")
    for ordered in _data_orders(in_order):
        yield _REORDERED, ordered
    for ordered in _data_orders(in_order) if losses else ():
        yield from _restored(ordered, losses, f"{_REORDERED} and ")


def _restored(
    value: Any, losses: list[tuple[_Loss, int]], before: str
) -> Iterator[tuple[str, Any]]:
    """Yield `value` with all parts of a loss restored, and with each of them restored alone."""
    for loss, count in losses:
        places = range(count) if 1 < count <= _MAX_PLACES else ()
        for place in (None, *places):
            yield before + loss.phrase, _changed(value, loss, place, [0])


def envelope_in_order(value: Any) -> Members | None:
    """Return a payload with its four keys in their order; None if they are, or are others."""
    if not isinstance(value, Members):
        return None
    keys = tuple(key for key, _ in value)
    if keys == ENVELOPE or sorted(keys) != sorted(ENVELOPE):
        return None
    members = dict(value)
    return Members((key, members[key]) for key in ENVELOPE)


def _data_orders(payload: Members) -> Iterator[Any]:
    """Yield the payload with the keys of `data` in every order, up to `_MAX_ORDERS`."""
    data = payload[3][1]
    if isinstance(data, Members):
        for order in islice(permutations(data), 1, _MAX_ORDERS):
            yield Members((*payload[:3], ("data", Members(order))))


def _count(value: Any, is_part: Callable[[Any], bool]) -> int:
    if is_part(value):
        return 1
    if isinstance(value, Members):
        return sum(_count(inner, is_part) for _, inner in value)
    return sum(_count(inner, is_part) for inner in value) if isinstance(value, list) else 0


def _changed(value: Any, loss: _Loss, place: int | None, seen: list[int]) -> Any:
    """Return a copy with the part at `place` restored; None: all of them."""
    if loss.is_part(value):
        seen[0] += 1
        return loss.undo(value) if place is None or seen[0] == place + 1 else value
    if isinstance(value, Members):
        return Members((key, _changed(inner, loss, place, seen)) for key, inner in value)
    if isinstance(value, list):
        return [_changed(inner, loss, place, seen) for inner in value]
    return value


_PYTHON_TOKEN: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b""", re.DOTALL
)
_CONSTANTS: Final = {"True": "true", "False": "false", "None": "null"}
_RUBY_ARROW: Final = re.compile(r'"\s*=>\s*')


def parse_other_text(text: str) -> tuple[str, Any] | None:
    """Read the text of a Python dict or a Ruby hash; returns (whose text it is, value)."""
    if text.startswith(("{'", "[{'")):
        return _parsed(Text("a Python dict"), _PYTHON_TOKEN.sub(_to_json, text))
    if _RUBY_ARROW.search(text):
        return _parsed(Text("a Ruby hash"), re.sub(r"\bnil\b", "null", _RUBY_ARROW.sub('":', text)))
    return None


def _parsed(what: str, text: str) -> tuple[str, Any] | None:
    try:
        return what, parse(text)
    except ValueError:
        return None


def _to_json(match: re.Match[str]) -> str:
    token = match[0]
    if token in _CONSTANTS:
        return _CONSTANTS[token]
    inner = token[1:-1].replace(r"\'", "'")
    inner = re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", inner)
    return '"' + re.sub(r'(?<!\\)"', r"\"", inner) + '"'

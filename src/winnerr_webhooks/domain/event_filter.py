"""Event filters: which events a webhook gets, by what their payload says.

A filter is a JSON object over the payload that receivers get (`event`, `timestamp`,
`organizationId`, `data`). Its members are conditions, and all of them must be met. A member is the
name of a field with a condition on its value, or an operator (`$eq`, …) on the value at hand. A
condition that is no object means `$eq`. docs/reference/filters.md is the grammar with examples.

An organization can have many filters, and each of its events is judged by all of them. So a filter
is a flat list of conditions on fields, and the values of a payload's fields are looked up once for
all filters.
"""

import difflib
import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from winnerr_webhooks.domain import exact_json
from winnerr_webhooks.domain import filter_conditions as conditions
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.filter_conditions import Leaf, Names, value_at
from winnerr_webhooks.domain.json_mistakes import json_mistake
from winnerr_webhooks.domain.suggestions import did_you_mean
from winnerr_webhooks.domain.text import Sentences, Text

MAX_BYTES: Final = 4_096
"""Of a filter as it is stored: UTF-8, without white space."""
MAX_CONDITIONS: Final = 32
MAX_DEPTH: Final = 8
"""Objects and lists within each other, the filter itself included."""
CACHED: Final = 10_000
"""Filters that are kept ready to judge: those of the busiest organizations."""
_FIELDS: Final = ("event", "timestamp", "organizationId", "data")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Path:
    """Where a field stands in a payload. Equal paths are one object, so finding it is quick."""

    __slots__ = ("names",)

    def __init__(self, names: Names) -> None:
        self.names = names


_path_of: Final = lru_cache(CACHED)(Path)


class Payload(dict[Path, Any]):
    """The payload of an event. As a dict, it has the values that filters have asked for so far."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def __missing__(self, path: Path) -> Any:
        found = self[path] = value_at(self.value, path.names)
        return found


Judge = Callable[[Payload], bool]
"""Whether a payload matches a filter."""


def parse_payload(body: bytes) -> Payload:
    """Return the payload of an event as filters judge it."""
    return Payload(exact_json.parse(body))


@lru_cache(CACHED)
def judge_of(text: str) -> Judge:
    """Return the judge of a filter that was checked when it was stored."""
    leaves = _Compiler("/filter").compile(exact_json.parse(text))
    conditions_of = [(_path_of(names), test) for names, test in leaves]

    def judge(payload: Payload) -> bool:
        for path, test in conditions_of:  # noqa: SIM110  `all` with a generator takes twice as long
            if not test(payload[path]):
                return False
        return True

    return judge


def check_filter(text: str, pointer: str = "/filter") -> str:
    """Return a filter as it is stored, if it is valid JSON of one. Raises `Invalid` at its place.

    `text` is JSON that was decoded before, or the input of a form.
    """
    try:
        value = exact_json.parse(text)
    except (ValueError, RecursionError) as error:
        raise Invalid.field(
            pointer, Text("The filter is not JSON: {reason}.", reason=json_mistake(text, error))
        ) from None
    stored = _compact(text)
    if len(stored.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        long = Text("The filter is larger than {most:,} bytes. Shorten it.", most=MAX_BYTES)
        raise Invalid.field(pointer, long)
    if _SURROGATE.search(stored) or _has_surrogate(value):
        raise Invalid.field(pointer, Text("The filter has half of a surrogate pair. Remove it."))
    if not isinstance(value, dict):
        raise Invalid.field(
            pointer, Text('A filter is a JSON object, such as {"data": {"stage": "won"}}.')
        )
    _Compiler(pointer).compile(value)
    return stored


class _Compiler:
    """Takes a filter apart into conditions on fields, and refuses what is none."""

    def __init__(self, pointer: str) -> None:
        self._root = pointer
        self._count = 0

    def compile(self, value: dict[str, Any]) -> list[Leaf]:
        unknown = [name for name in value if not name.startswith("$") and name not in _FIELDS]
        if unknown:
            raise self._refusal(
                f"{self._root}/{_escape(unknown[0])}",
                Text(
                    "A payload has no field `{name}`: it has {names}. What is sent with an event "
                    "is below `data`.",
                    name=unknown[0][:80],
                    names=", ".join(_FIELDS),
                ),
            )
        return self._leaves(value, self._root, 1, ())

    def _leaves(self, value: Any, pointer: str, depth: int, names: Names) -> list[Leaf]:
        """Return the conditions, all of which have to be met, on the field that `names` lead to."""
        if not isinstance(value, dict):
            self._operand(value, pointer, depth)
            return [(names, conditions.equals(value))]
        self._check_depth(pointer, depth)
        leaves = []
        for name, inner in value.items():
            place = f"{pointer}/{_escape(name)}"
            if name.startswith("$"):
                leaves += self._operator(name, inner, place, depth, names)
            else:
                leaves += self._leaves(inner, place, depth + 1, (*names, name))
        if not leaves:
            raise self._refusal(
                pointer, Text('This has no condition. For an empty object, write {"$eq": {}}.')
            )
        return leaves

    def _operator(
        self, name: str, operand: Any, pointer: str, depth: int, names: Names
    ) -> list[Leaf]:
        if name in ("$and", "$or"):
            within = names if name == "$and" else ()
            each = [
                self._leaves(one, f"{pointer}/{index}", depth + 2, within)
                for index, one in enumerate(self._list(name, operand, pointer, depth + 1))
            ]
            if name == "$and":
                return [leaf for leaves in each for leaf in leaves]
            return [(names, conditions.any_of([conditions.every(leaves) for leaves in each]))]
        if name == "$not":
            inner = conditions.every(self._leaves(operand, pointer, depth + 1, ()))
            return [(names, conditions.negation(inner))]
        make = _OPERATORS.get(name)
        if make is None:
            near = difflib.get_close_matches(name, _NAMES, n=1)
            advice = did_you_mean(near) or Text("There are {names}.", names=", ".join(_NAMES))
            unknown = Text("There is no operator {name}.", name=name[:80])
            raise self._refusal(pointer, Sentences(unknown, advice))
        self._operand(operand, pointer, depth + 1)
        wanted, fits, test = make
        if not fits(operand):
            raise self._refusal(pointer, Text("{name} takes {wanted}.", name=name, wanted=wanted))
        return [(names, test(operand))]

    def _list(self, name: str, operand: Any, pointer: str, depth: int) -> list[Any]:
        if not isinstance(operand, list) or not operand:
            wanted = Text("a list of one or more conditions")
            raise self._refusal(pointer, Text("{name} takes {wanted}.", name=name, wanted=wanted))
        self._check_depth(pointer, depth)
        return operand

    def _operand(self, operand: Any, pointer: str, depth: int) -> None:
        """Count one condition, and check how deep its operand is."""
        self._count += 1
        if self._count > MAX_CONDITIONS:
            raise self._refusal(
                pointer,
                Text("The filter has more than {most} conditions. Use fewer.", most=MAX_CONDITIONS),
            )
        for inner in _levels(operand):
            self._check_depth(pointer, depth + inner)

    def _check_depth(self, pointer: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._refusal(
                pointer,
                Text(
                    "The filter is more than {most} levels deep here. Make it flatter.",
                    most=MAX_DEPTH,
                ),
            )

    @staticmethod
    def _refusal(pointer: str, message: str) -> Invalid:
        return Invalid.field(pointer, message)


def _levels(value: Any) -> Iterator[int]:
    """Yield 0, 1, 2, … for each level of objects and lists that a value has."""
    level, inner = 0, [value]
    while inner := [one for one in inner if isinstance(one, dict | list)]:
        yield level
        level += 1
        inner = [
            member for one in inner for member in (one.values() if isinstance(one, dict) else one)
        ]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_ordered(value: Any) -> bool:
    return isinstance(value, str) or exact_json.number_of(value) is not None


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _any(_value: Any) -> bool:
    return True


_ANY: Final = Text("any value")
_ORDERED: Final = Text("a number or a text")
_VALUES: Final = Text("a list of values")
_TEXT: Final = Text("a text")
_OPERATORS: Final[
    dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], conditions.Test]]]
] = {
    "$eq": (_ANY, _any, conditions.equals),
    "$ne": (_ANY, _any, lambda one: conditions.negation(conditions.equals(one))),
    "$gt": (_ORDERED, _is_ordered, lambda one: conditions.is_ordered(one, operator.gt)),
    "$gte": (_ORDERED, _is_ordered, lambda one: conditions.is_ordered(one, operator.ge)),
    "$lt": (_ORDERED, _is_ordered, lambda one: conditions.is_ordered(one, operator.lt)),
    "$lte": (_ORDERED, _is_ordered, lambda one: conditions.is_ordered(one, operator.le)),
    "$in": (_VALUES, _is_list, conditions.is_among),
    "$nin": (_VALUES, _is_list, lambda one: conditions.negation(conditions.is_among(one))),
    "$startsWith": (_TEXT, _is_text, conditions.starts_with),
    "$endsWith": (_TEXT, _is_text, conditions.ends_with),
    "$contains": (_ANY, _any, conditions.contains),
    "$exist": (Text("true or false"), _is_bool, conditions.exists),
}
"""By name: what the operator takes, whether an operand is that, and the test it makes."""
_NAMES: Final = (*_OPERATORS, "$or", "$and", "$not")


def _compact(text: str) -> str:
    """Return JSON without insignificant white space; numbers and texts stay as written."""
    return _SPACE.sub(lambda found: found[1] or "", text)


_SPACE: Final = re.compile(r'("(?:[^"\\]|\\.)*")|\s+', re.DOTALL)


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, list):
        return any(map(_has_surrogate, value))
    if isinstance(value, dict):
        return any(_has_surrogate(one) for pair in value.items() for one in pair)
    return False


def _escape(name: str) -> str:
    """Return a name as a part of a JSON Pointer (RFC 6901, section 3)."""
    return name[:80].replace("~", "~0").replace("/", "~1")

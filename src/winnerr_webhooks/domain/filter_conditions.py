"""The operators of event filters: each compares the value of a field with an operand.

A field that the payload lacks has the value `MISSING`.
"""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from winnerr_webhooks.domain.exact_json import compare, equal, number_of

MISSING: Final = object()
"""The value of a field that is not there."""

Test = Callable[[Any], bool]
"""Whether a value, or `MISSING`, meets a condition."""
Names = tuple[str, ...]
"""The fields that lead to a value, such as `data` and `stage`; none for the value at hand."""
Leaf = tuple[Names, Test]
"""A condition on the value that some names lead to."""


def equals(operand: Any) -> Test:
    """The value is the same JSON value as the operand: numbers exactly, keys in any order."""
    if isinstance(operand, str):
        return partial(operator.eq, operand)
    return lambda value: equal(operand, value)


def is_among(operands: list[Any]) -> Test:
    """The value is one of the operands."""
    texts = frozenset(one for one in operands if isinstance(one, str))
    if len(texts) == len(operands):
        return lambda value: isinstance(value, str) and value in texts
    return lambda value: any(equal(one, value) for one in operands)


def is_ordered(operand: Any, order: Callable[[Any, Any], bool]) -> Test:
    """Number and number, or text and text, stand in an `order` such as `operator.gt`.

    Texts are compared by their Unicode code points.
    """
    if isinstance(operand, str):
        return lambda value: isinstance(value, str) and order(value, operand)
    is_short = type(operand) is int

    def test(value: Any) -> bool:
        if is_short and type(value) is int:
            return order(value, operand)
        number = number_of(value)
        return number is not None and order(compare(number, operand), 0)

    return test


def contains(operand: Any) -> Test:
    """The value is a text with the operand in it, or a list with an element that equals it."""

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(operand, str) and operand in value
        return isinstance(value, list) and any(equal(operand, one) for one in value)

    return test


def starts_with(operand: str) -> Test:
    """The value is a text that begins with the operand."""
    return lambda value: isinstance(value, str) and value.startswith(operand)


def ends_with(operand: str) -> Test:
    """The value is a text that ends with the operand."""
    return lambda value: isinstance(value, str) and value.endswith(operand)


def exists(operand: bool) -> Test:  # noqa: FBT001  the operator's operand
    """The field is there, whatever its value; or, with false, it is not."""
    return lambda value: (value is not MISSING) is operand


def negation(test: Test) -> Test:
    """The condition is not met. That is also so for a field that is not there."""
    return lambda value: not test(value)


def any_of(tests: list[Test]) -> Test:
    """At least one condition is met."""
    return lambda value: any(test(value) for test in tests)


def every(leaves: list[Leaf]) -> Test:
    """All conditions on fields of the value at hand are met."""

    def test_all(value: Any) -> bool:
        for names, test in leaves:  # noqa: SIM110  `all` with a generator takes twice as long
            if not test(value_at(value, names)):
                return False
        return True

    return test_all


def value_at(value: Any, names: Names) -> Any:
    """The value that these names of fields lead to. What is no object has no fields."""
    for name in names:
        if not isinstance(value, dict):
            return MISSING
        value = value.get(name, MISSING)
    return value

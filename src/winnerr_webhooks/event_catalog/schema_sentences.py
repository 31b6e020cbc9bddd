"""What is wrong with a value by its schema, as a sentence of ours that can be translated.

The library's own sentences are English, and remain for the keywords that have none here.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from winnerr_webhooks.domain.text import Text, counted

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

MAX_MESSAGE: Final = 200
"""Characters of a sentence of the library, of a name and of a list; the rest is cut off."""


def data_sentence(error: "ValidationError") -> str:
    """Return the sentence for an error of `data`; a `Text` for the keywords that are known here.

    It never repeats the value that is wrong.
    """
    kind = error.kind
    sentence = _SENTENCES.get(type(kind).__name__)
    return library_sentence(error) if sentence is None else sentence(kind.value)


def library_sentence(error: "ValidationError") -> str:
    """Return the library's English sentence."""
    text = _cut(error.message)
    return f"{text[:1].upper()}{text[1:]}."


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def _json(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _list(values: Sequence[Any]) -> str:
    return _cut(", ".join(map(_json, values)))


def _type(types: Sequence[str]) -> Text:
    if len(types) == 1:
        return Text("This value is not of the type {type}.", type=types[0])
    return Text("This value is of none of the types {types}.", types=", ".join(types))


def _unexpected(names: Sequence[str]) -> Text:
    return counted(
        "The schema does not allow the property {names}.",
        "The schema does not allow the properties {names}.",
        len(names),
        names=_list(names),
    )


_MORE_ITEMS: Final = Text("This list has more items than the schema allows.")
_NO_ALTERNATIVE: Final = Text("This value fits none of the alternatives in the schema.")
_NOT_ALLOWED: Final = Text("The schema does not allow this value.")

_SENTENCES: Final[dict[str, Callable[[Any], Text]]] = {
    "Required": lambda name: Text("`{name}` is missing.", name=_cut(str(name))),
    "Type": _type,
    "Enum": lambda values: Text("This value is not one of {values}.", values=_list(values)),
    "Constant": lambda value: Text("Only {value} is allowed here.", value=_json(value)),
    "Minimum": lambda limit: Text(
        "This value is less than the minimum of {limit}.", limit=_json(limit)
    ),
    "Maximum": lambda limit: Text(
        "This value is greater than the maximum of {limit}.", limit=_json(limit)
    ),
    "ExclusiveMinimum": lambda limit: Text(
        "This value must be greater than {limit}.", limit=_json(limit)
    ),
    "ExclusiveMaximum": lambda limit: Text(
        "This value must be less than {limit}.", limit=_json(limit)
    ),
    "MultipleOf": lambda number: Text(
        "This value is not a multiple of {number}.", number=_json(number)
    ),
    "MinLength": lambda count: counted(
        "This text has fewer than {count} character.",
        "This text has fewer than {count} characters.",
        count,
    ),
    "MaxLength": lambda count: counted(
        "This text has more than {count} character.",
        "This text has more than {count} characters.",
        count,
    ),
    "Pattern": lambda pattern: Text(
        "This text does not match the pattern {pattern}.", pattern=_cut(pattern)
    ),
    "MinItems": lambda count: counted(
        "This list has fewer than {count} item.", "This list has fewer than {count} items.", count
    ),
    "MaxItems": lambda count: counted(
        "This list has more than {count} item.", "This list has more than {count} items.", count
    ),
    "UniqueItems": lambda _: Text("This list has an item more than once."),
    "Contains": lambda _: Text("This list has too few or too many items of the kind required."),
    "MinProperties": lambda count: counted(
        "This object has fewer than {count} property.",
        "This object has fewer than {count} properties.",
        count,
    ),
    "MaxProperties": lambda count: counted(
        "This object has more than {count} property.",
        "This object has more than {count} properties.",
        count,
    ),
    "AdditionalProperties": _unexpected,
    "UnevaluatedProperties": _unexpected,
    "AdditionalItems": lambda _: _MORE_ITEMS,
    "UnevaluatedItems": lambda _: _MORE_ITEMS,
    "AnyOf": lambda _: _NO_ALTERNATIVE,
    "OneOfNotValid": lambda _: _NO_ALTERNATIVE,
    "OneOfMultipleValid": lambda _: Text(
        "This value fits more than one of the alternatives in the schema, which allows only one."
    ),
    "Not": lambda _: _NOT_ALLOWED,
    "FalseSchema": lambda _: _NOT_ALLOWED,
}
"""What the library calls an error -> the sentence, of what the keyword in the schema requires."""

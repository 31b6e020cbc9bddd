"""Checks `data` against JSON Schema, draft 2020-12.

The library is imported when a catalogue has a schema. Nothing is fetched: a `$ref` leads into the
schema itself. `format` says what a value is for people, and refuses nothing (section 7.2.1 of JSON
Schema Validation).
"""

import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from winnerr_webhooks.domain.catalog import DataCheck
from winnerr_webhooks.domain.errors import FieldError
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.event_catalog.schema_sentences import (
    MAX_MESSAGE,
    data_sentence,
    library_sentence,
)

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_ERRORS: Final = 20
"""How many errors of one event are listed."""


class SchemaError(ValueError):
    """A schema that cannot be used; `path` leads to the place in it."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


def data_check(schema: dict[str, Any]) -> DataCheck:
    """Return the check that a schema of `data` describes. Raises `SchemaError`."""
    import jsonschema_rs  # noqa: PLC0415  most catalogues have no schema

    if schema.get("$schema", DIALECT).rstrip("#") != DIALECT:
        raise SchemaError(("$schema",), f"only JSON Schema 2020-12 is known here: {DIALECT}")
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, offline=True, mask="this value")
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(tuple(error.instance_path), library_sentence(error)) from None
    except (ValueError, RecursionError) as error:
        raise SchemaError((), str(error)[:MAX_MESSAGE]) from None

    def check(data: bytes) -> tuple[FieldError, ...]:
        instance = json.loads(data, parse_float=_number, parse_int=_whole_number)
        try:
            found = itertools.islice(validator.iter_errors(instance), MAX_ERRORS)
            return tuple(_field_error(error) for error in found)
        except ValueError as error:
            problem = str(error)[:MAX_MESSAGE]
            return (
                FieldError("/data", Text("This cannot be checked: {problem}", problem=problem)),
            )

    return check


def _field_error(error: "ValidationError") -> FieldError:
    path = list(error.instance_path)
    if error.kind.name == "required":  # a pointer to what has to be added
        path.append(str(error.kind.value))
    return FieldError(_pointer(path), data_sentence(error))


def _pointer(path: list[str | int]) -> str:
    """Return a JSON Pointer (RFC 6901) into `data`."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in ("data", *path))
    return "".join(f"/{part}" for part in parts)


def _number(text: str) -> float | Decimal:
    value = float(text)
    return value if repr(value) == text else Decimal(text)


def _whole_number(text: str) -> int | Decimal:
    """`int` has a limit of digits, because it takes quadratic time."""
    return int(text) if len(text) < 1_000 else Decimal(text)  # noqa: PLR2004

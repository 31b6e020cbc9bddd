"""JSON bodies of the REST API, decoded into a type with every error in its place."""

import difflib
import re
from collections.abc import Collection
from typing import Any, Final, TypeVar, get_args

import msgspec
from litestar import Request
from litestar.datastructures import State

from winnerr_webhooks.api.auth import Caller
from winnerr_webhooks.api.query_parameters import MAX_NAME, escape
from winnerr_webhooks.api.request_body import BodyQuota, read_body
from winnerr_webhooks.domain.errors import Invalid, Malformed
from winnerr_webhooks.domain.event_errors import nested_too_deep, not_json, not_utf8

ApiRequest = Request[None, Caller, State]

MAX_BODY: Final = 64 * 1024
"""Bytes of a body, at most; events have limits of their own."""

T = TypeVar("T")


async def read_json(request: ApiRequest, shape: type[T], *, empty: bytes | None = None) -> T:
    """Read the request's body as a `shape`; `empty` stands for a body of no bytes, if given.

    The key must still be good when the body is whole. The Content-Type is not checked, because
    curl sends JSON with that of a form by default.
    """
    return decode(await read_raw(request) or empty or b"", shape)


async def read_raw(request: ApiRequest) -> bytes:
    """Read the request's body as bytes; see `read_json`."""
    with BodyQuota(request.state.receiving, request.auth.holder) as quota:
        raw = await read_body(request.scope, request.receive, MAX_BODY, quota)
    await request.state.check_key_again()
    return raw


def decode(raw: bytes, shape: type[T]) -> T:
    """Decode JSON as a `shape`; `Malformed` if it is not JSON, `Invalid` if the shape differs."""
    if not raw:
        raise Malformed("The body is empty; send JSON.")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(raw, error) from None
    try:
        value = _decoded(raw, getattr(shape, "raw_json_fields", ()))
    except RecursionError:
        raise nested_too_deep() from None
    except msgspec.DecodeError as error:
        raise not_json(raw, error) from None
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _mismatch(str(error), shape) from None


def _decoded(raw: bytes, raw_fields: Collection[str]) -> Any:
    """Return the value of a JSON text; of its members `raw_fields`, the JSON itself, but null."""
    if not raw_fields:
        return msgspec.json.decode(raw)
    try:
        members = _members.decode(raw)
    except msgspec.ValidationError:  # no object
        return msgspec.json.decode(raw)
    return {
        name: bytes(value).decode()
        if name in raw_fields and bytes(value) != b"null"
        else msgspec.json.decode(value)
        for name, value in members.items()
    }


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _mismatch(text: str, shape: type[Any]) -> Invalid:
    """Say what msgspec found, with a JSON Pointer (RFC 6901) and with types in plain words."""
    reason, _, path = text.partition(" - at `$")
    # msgspec writes `[...]` for any member of a map.
    pointer = _INDEX.sub(r"/\1", path.rstrip("`").replace("[...]", "")).replace(".", "/")
    if match := _MISSING.match(reason):
        return Invalid.field(f"{pointer}/{match[1]}", f"`{match[1]}` is missing.")
    if match := _UNKNOWN.match(reason):
        return Invalid.field(
            f"{pointer}/{escape(match[1])}", _no_such_field(match[1], _at(shape, pointer))
        )
    if match := _TYPES.match(reason):
        wanted = " or ".join(_WORDS.get(name, name) for name in match[1].split(" | "))
        return Invalid.field(
            pointer, f"This must be {wanted}, not {_WORDS.get(match[2], match[2])}."
        )
    return Invalid.field(pointer, f"{reason}.")


def _at(shape: type[Any], pointer: str) -> type[Any]:
    """Return the type of the object at a pointer, as far as the fields of structs lead there."""
    for name in pointer.split("/")[1:]:
        types = [field.type for field in msgspec.structs.fields(shape) if field.encode_name == name]
        inner = [one for type_ in types for one in (*get_args(type_), type_) if _is_struct(one)]
        if not inner:
            break
        shape = inner[0]
    return shape


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _no_such_field(name: str, shape: type[Any]) -> str:
    known = [field.encode_name for field in msgspec.structs.fields(shape)]
    name = name[:MAX_NAME]
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}."
    return f"There is no field `{name}`; {advice}"


_INDEX = re.compile(r"\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_TYPES = re.compile(r"Expected `([^`]*)`, got `([^`]*)`$")
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}

"""Reads a catalogue file, and finds every mistake in it.

categories:
  - name: Orders
    events:
      - name: order.paid
        description: An order was paid in full.
        example: {id: order_1, amount: 12.5}
        schema: {type: object, required: [id]}  # optional
        deprecated: Use order.settled.          # optional
"""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from winnerr_webhooks.domain.catalog import OFF, Catalog, DataCheck, EventType
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.domain.event_errors import MAX_DEPTH, too_deep
from winnerr_webhooks.domain.event_pattern import EVENT_NAME
from winnerr_webhooks.event_catalog.data_schemas import SchemaError, data_check
from winnerr_webhooks.event_catalog.placed_document import (
    DocumentError,
    PlacedDocument,
    parse_document,
)
from winnerr_webhooks.event_catalog.placed_document import (
    Path as ValuePath,
)

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_TYPES: Final = 1_000
MAX_EXAMPLE: Final = 64 * 1024
"""Bytes of an example, as compact JSON."""
MAX_TEXT: Final = 500
MAX_CATEGORY: Final = 80

_EVENT_FIELDS: Final = ("name", "description", "example", "schema", "deprecated")
_KINDS: Final = {dict: "an object", list: "a list", str: "a text"}


class Mistake(NamedTuple):
    """A mistake in a catalogue file."""

    line: int
    place: str
    """Such as `categories[0].events[2].name`; empty: the whole file."""
    message: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        """Return the place and the message, as a sentence without its full stop."""
        message = self.message.rstrip(".")
        return f"{self.place}: {message}" if self.place else message


class CatalogFileError(ConfigurationError):
    """A catalogue file cannot be used. Its text has the first mistake, in one line."""

    def __init__(self, file: str, mistakes: list[Mistake]) -> None:
        first = mistakes[0]
        more = f" ({len(mistakes) - 1} more: catalog check)" if len(mistakes) > 1 else ""
        super().__init__(f"{file}:{first.line}: {first}{more}")
        self.file = file
        self.mistakes = mistakes


def read_catalog(path: str, data_rule: str = OFF) -> Catalog:
    """Read a catalogue file. Raises `CatalogFileError` with every mistake, in the file's order."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CatalogFileError(
            path, [Mistake(1, "", f"the file cannot be read: {reason}")]
        ) from None
    return parse_catalog(path, content, data_rule)


def parse_catalog(path: str, content: bytes, data_rule: str = OFF) -> Catalog:
    """Read the content of a catalogue file; `path` is its name in messages."""
    if len(content) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024:,} KiB"
        raise CatalogFileError(path, [Mistake(1, "", message)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CatalogFileError(path, [Mistake(line, "", "this is not UTF-8")]) from None
    try:
        document = parse_document(text)
    except DocumentError as error:
        mistake = Mistake(error.line, _place(error.path), error.message)
        raise CatalogFileError(path, [mistake]) from None
    reader = _Reader(document)
    reader.read()
    if reader.mistakes:
        raise CatalogFileError(path, sorted(reader.mistakes, key=lambda one: one.line))
    return Catalog(tuple(reader.types), reader.checks, data_rule=data_rule, is_own=True)


class _Reader:
    """Goes through a document, and collects event types and mistakes."""

    def __init__(self, document: PlacedDocument) -> None:
        self._document = document
        self._named: dict[str, ValuePath] = {}
        """Where each name of an event type stands first."""
        self.types: list[EventType] = []
        self.checks: dict[str, DataCheck] = {}
        self.mistakes: list[Mistake] = []

    def read(self) -> None:
        root = self._object(self._document.value, (), ("categories",))
        if root is None:
            return
        names: set[str] = set()
        for path, category in self._items(root, (), "categories"):
            fields = self._object(category, path, ("name", "events"))
            if fields is None:
                continue
            name = self._text(fields, path, "name", MAX_CATEGORY)
            if name is not None and name in names:
                self._wrong((*path, "name"), f"{name!r} is the name of another category; rename it")
            names.add(name or "")
            for event_path, event in self._items(fields, path, "events"):
                self._read_event(event, event_path, name or "")

    def _read_event(self, event: Any, path: ValuePath, category: str) -> None:
        if len(self._named) > MAX_TYPES:
            return
        if len(self._named) == MAX_TYPES:
            self._wrong(path, f"the catalogue has more than {MAX_TYPES:,} event types")
        fields = self._object(event, path, _EVENT_FIELDS)
        if fields is None:
            return
        before = len(self.mistakes)
        name = self._name(fields, path)
        description = self._text(fields, path, "description", MAX_TEXT)
        deprecated = None
        if fields.get("deprecated") is not None:
            deprecated = self._text(fields, path, "deprecated", MAX_TEXT)
        example = self._example(fields, path)
        check = self._check(fields, path, example)
        if len(self.mistakes) > before or not (name and description and example):
            return
        schema = None if fields.get("schema") is None else _compact(fields["schema"])
        self.types.append(
            EventType(
                name=name,
                category=category,
                description=description,
                example=example,
                schema=schema,
                deprecated=deprecated,
            )
        )
        if check is not None:
            self.checks[name] = check

    def _name(self, fields: dict[str, Any], path: ValuePath) -> str | None:
        path = (*path, "name")
        name = fields.get("name")
        if not isinstance(name, str) or not EVENT_NAME.fullmatch(name):
            said = f"{name!r:.80} " if "name" in fields else "this is missing: it "
            self._wrong(
                path,
                f"{said}has to be 1 to 128 of a-z 0-9 . _ -, such as order.paid or order.re-opened",
            )
            return None
        first = self._named.setdefault(name, path)
        if first != path:
            line = self._document.line_of(first)
            self._wrong(path, f"{name} is in line {line} already; remove one of them")
        return name

    def _example(self, fields: dict[str, Any], path: ValuePath) -> bytes | None:
        path = (*path, "example")
        if not isinstance(example := fields.get("example"), dict):
            said = "has to be an object" if "example" in fields else "is missing"
            self._wrong(path, f"the example {said}: write the `data` of such an event")
            return None
        compact = _compact(example)
        if len(compact) > MAX_EXAMPLE:
            self._wrong(path, f"the example has more than {MAX_EXAMPLE // 1024} KiB; shorten it")
        if too_deep(compact):
            self._wrong(path, f"the example is nested deeper than {MAX_DEPTH} levels")
        return compact

    def _check(
        self, fields: dict[str, Any], path: ValuePath, example: bytes | None
    ) -> DataCheck | None:
        """Return the check that the schema describes. The example has to pass it."""
        schema = fields.get("schema")
        if schema is None:
            return None
        if not isinstance(schema, dict):
            self._wrong((*path, "schema"), "a schema has to be an object, such as {type: object}")
            return None
        try:
            check = data_check(schema)
        except SchemaError as mistake:
            self._wrong((*path, "schema", *mistake.path), f"this is no valid schema: {mistake}")
            return None
        for pointer, message in check(example) if example is not None else ():
            inner = _steps(fields["example"], pointer.split("/")[2:])
            self._wrong(
                (*path, "example", *inner), f"the example does not satisfy its schema: {message}"
            )
        return check

    def _object(self, value: Any, path: ValuePath, known: tuple[str, ...]) -> dict[str, Any] | None:
        """Return an object, with a mistake for each key that is not known."""
        if not isinstance(value, dict):
            self._wrong(path, f"this has to be an object with {', '.join(known)}")
            return None
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self._wrong((*path, key), f"{key[:80]!r} is not known here; {advice}")
        return value

    def _items(
        self, fields: dict[str, Any], path: ValuePath, key: str
    ) -> Iterator[tuple[ValuePath, Any]]:
        """Yield the items of a list that has to be there, each with its path."""
        items = fields.get(key)
        path = (*path, key)
        if not isinstance(items, list) or not items:
            said = "is missing" if key not in fields else "has to be a list with at least one item"
            self._wrong(path, f"{key} {said}")
            return
        for at, item in enumerate(items):
            yield (*path, at), item

    def _text(self, fields: dict[str, Any], path: ValuePath, key: str, most: int) -> str | None:
        text = fields.get(key)
        path = (*path, key)
        if key not in fields:
            self._wrong(path, f"{key} is missing")
        elif not isinstance(text, str) or not text.strip():
            self._wrong(path, f"{key} has to be a text; put it in quotes if it looks like a number")
        elif len(text.strip()) > most or not " ".join(text.split()).isprintable():
            self._wrong(path, f"{key} has to be at most {most} printable characters")
        else:
            return " ".join(text.split())
        return None

    def _wrong(self, path: ValuePath, message: str) -> None:
        self.mistakes.append(Mistake(self._document.line_of(path), _place(path), message))


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _steps(value: Any, parts: list[str]) -> Iterator[str | int]:
    """Yield the steps of a JSON Pointer as a document's path has them."""
    for escaped in parts:
        part = escaped.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            yield int(part)
            value = value[int(part)]
        else:
            yield part
            value = value.get(part) if isinstance(value, dict) else None


def _place(path: ValuePath) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    text = "".join(parts).lstrip(".")
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"

"""Reads YAML or JSON as plain values, and knows the line of each.

Of YAML it takes what JSON can say, as the core schema of YAML 1.2 (section 10.3) reads it: `no` is
a text, and so is a time. Only numbers with an exponent need a point, as in YAML 1.1: `1.0e+3`.
Other tags, merge keys and repeated keys are refused.
"""

import json
import math
import re
from collections import Counter
from typing import Any, Final, NamedTuple, NoReturn

import yaml

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 200_000
"""How many values a document has at most. Aliases of YAML count each time that they are used."""

Path = tuple[str | int, ...]

_CORE_TAGS: Final = frozenset(("str", "int", "float", "bool", "null", "map", "seq", "timestamp",
                               "value"))  # fmt: skip
"""Tags that a value may have. PyYAML sees the last two where YAML 1.2 sees a text."""
_TAG_PREFIX: Final = "tag:yaml.org,2002:"
_INT: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MAX_DIGITS: Final = 400
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_JSON_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+|\n')


class DocumentError(ValueError):
    """Something that a document cannot have, in one of its lines (from 1)."""

    def __init__(self, line: int, path: Path, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.path = path
        self.message = message


class PlacedDocument(NamedTuple):
    """A document's value, made of what JSON has, and the line (from 1) of each value in it."""

    value: Any
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int:
        """Return the line of a value, or of the nearest value that contains it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse_document(text: str) -> PlacedDocument:
    """Read JSON if the text begins with a brace, otherwise YAML. Raises `DocumentError`."""
    if text.lstrip().startswith("{"):
        return _parse_json(text)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError(mark.line + 1 if mark else 1, (), f"this is not YAML: {said}") from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise DocumentError(line, (), "this is not YAML: a character is not allowed") from None
    except RecursionError:
        raise DocumentError(
            1, (), f"the document is nested deeper than {MAX_DEPTH} levels"
        ) from None
    if root is None:
        raise DocumentError(1, (), "the document is empty")
    reader = _NodeReader()
    return _checked(PlacedDocument(reader.value(root, ()), reader.lines))


class _NodeReader:
    """Turns the nodes of YAML into values."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines[path] = line
        if len(self.lines) > MAX_VALUES:
            raise DocumentError(line, path, f"the document has more than {MAX_VALUES:,} values")
        if len(path) > MAX_DEPTH:
            raise DocumentError(line, path, f"this is nested deeper than {MAX_DEPTH} levels")
        tag = node.tag.removeprefix(_TAG_PREFIX)
        if tag not in _CORE_TAGS:
            raise DocumentError(line, path, f"the tag {node.tag!r} is not known here; remove it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*path, at)) for at, one in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101  there are no other nodes
        return _scalar(node, tag)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise DocumentError(line, path, "a key has to be a text")
            key = key_node.value
            if key_node.tag == f"{_TAG_PREFIX}merge":
                raise DocumentError(line, path, "merge keys (<<) are not known here; write it out")
            if key in found:
                raise DocumentError(
                    line, (*path, key), "this key is given twice; remove one of them"
                )
            found[key] = self.value(value_node, (*path, key))
            self.lines[*path, key] = line
        return found


def _scalar(node: yaml.ScalarNode, tag: str) -> Any:
    text: str = node.value
    if node.style or tag == "str":  # quoted, or a text for YAML 1.1 as well
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _MAX_DIGITS and _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _parse_json(text: str) -> PlacedDocument:
    lines: dict[Path, int] = {}
    try:
        value = json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise DocumentError(error.lineno, (), f"this is not JSON: {error.msg}") from None
    except RecursionError:
        raise DocumentError(
            1, (), f"the document is nested deeper than {MAX_DEPTH} levels"
        ) from None
    except ValueError as error:
        raise DocumentError(1, (), f"this is not JSON: {error}") from None
    _find_lines(text, lines)
    for path, line in lines.items():
        if len(path) > MAX_DEPTH:
            raise DocumentError(line, path, f"this is nested deeper than {MAX_DEPTH} levels")
    return _checked(PlacedDocument(value, lines))


class _Repeated(dict[str, Any]):
    """An object of JSON in which a key was given twice."""

    key = ""


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    (repeated.key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
    return repeated


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _checked(document: PlacedDocument) -> PlacedDocument:
    """Raise `DocumentError` for what JSON cannot say, and for keys of it that are given twice."""
    waiting: list[tuple[Path, Any]] = [((), document.value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Repeated):
            path = (*path, value.key)
            line = document.line_of(path)
            raise DocumentError(line, path, "this key is given twice; remove one of them")
        if isinstance(value, dict):
            waiting += [((*path, key), one) for key, one in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, at), one) for at, one in enumerate(value)]
        elif isinstance(value, float) and math.isinf(value):
            raise DocumentError(document.line_of(path), path, "this number is too large")
        elif isinstance(value, str) and _SURROGATE.search(value):
            raise DocumentError(document.line_of(path), path, "half of a \\u pair is no character")
    return document


def _find_lines(text: str, lines: dict[Path, int]) -> None:
    """Find the line of each value of valid JSON, of a member of an object that of its key."""
    line = 1
    path: list[str | int] = []
    is_key: list[bool] = []  # for each open object or array, whether a key comes next
    lines[()] = 1
    for match in _JSON_PART.finditer(text):
        part = match[0]
        if part == "\n":
            line += 1
        elif part in "]}":
            is_key.pop()
            path.pop()
        elif part == ":":
            is_key[-1] = False
        elif part == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            else:
                is_key[-1] = True
        else:
            if is_key and is_key[-1]:
                path[-1] = json.loads(part)
                lines.setdefault(tuple(path), line)
                continue
            lines.setdefault(tuple(path), line)
            if part in "[{":
                is_key.append(part == "{")
                path.append("" if part == "{" else 0)
            if len(lines) > MAX_VALUES:
                raise DocumentError(line, (), f"the document has more than {MAX_VALUES:,} values")

"""How JSON encoders write the same value: white space, escapes, key order and numbers.

A receiver that parses a body and writes it again gets other bytes than were signed. `styles` lists
the ways in which the usual encoders of JavaScript, Python, PHP, Ruby, Go, Java and C# write a
value, with a description of each for people.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from operator import itemgetter
from typing import Any, Final, NamedTuple

from winnerr_webhooks.domain.text import Text

MAX_DEPTH: Final = 100
"""A value that is nested deeper is not written again; `data` may be 64 deep."""


class Number(str):
    """A number as it is written: its digits must not change."""

    __slots__ = ()


class Members(tuple[tuple[str, Any], ...]):
    """An object's members in their order; a key may occur more than once."""

    __slots__ = ()


def parse(text: str) -> Any:
    """Return a JSON value whose numbers are `Number` and whose objects are `Members`.

    Raises `ValueError` if it is not JSON or nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse,
            object_pairs_hook=Members,
        )
        _check_depth(value, MAX_DEPTH)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _check_depth(value: Any, left: int) -> None:
    if left < 0:
        raise ValueError("nested too deep")
    for inner in _children(value):
        _check_depth(inner, left - 1)


def _children(value: Any) -> list[Any]:
    if isinstance(value, Members):
        return [inner for _, inner in value]
    return value if isinstance(value, list) else []


class Layout(NamedTuple):
    """Where an encoder puts white space."""

    phrase: str
    comma: str = ","
    colon: str = ":"
    indent: str = ""
    line: str = ""
    """The line break of an indented layout; empty if everything is on one line."""
    arrays_in_line: bool = False
    """Whether arrays stay on one line although objects are indented, as Jackson writes them."""
    empty: tuple[str, str] = ("{}", "[]")
    null: str = "null"


COMPACT: Final = Layout(Text("without spaces"))
LAYOUTS: Final = (
    COMPACT,
    Layout(Text("with a space after each comma and colon (Python's json.dumps)"), ", ", ": "),
    Layout(Text("indented by 2 spaces (JSON.stringify(…, null, 2), Ruby's JSON.pretty_generate)"),
           ",", ": ", "  ", "\n"),
    Layout(Text("indented by 4 spaces (PHP's JSON_PRETTY_PRINT, Python's indent=4)"),
           ",", ": ", "    ", "\n"),
    Layout(Text("indented by tabs (Go's json.MarshalIndent)"), ",", ": ", "\t", "\n"),
    Layout(Text("indented as Jackson's pretty printer does"), ",", " : ", "  ", "\n",
           arrays_in_line=True, empty=("{ }", "[ ]")),
    Layout(Text("indented by 2 spaces with Windows line ends (.NET)"), ",", ": ", "  ", "\r\n"),
    Layout(Text("with a space after each colon"), ",", ": "),
    Layout(Text("as the text of a Ruby hash, which is not JSON"), ", ", "=>", null="nil"),
)  # fmt: skip


class Escapes(NamedTuple):
    """Which characters an encoder escapes besides those that JSON demands."""

    phrase: str
    also: str = ""
    """A regular expression's character set."""
    digits: str = "04x"
    short: bool = True
    """Whether a quotation mark is written `\\"`, not as a number."""


_NON_ASCII: Final = r"\x7f-\U0010ffff"
"""DEL is among them: Python escapes it, and PHP does not."""
ESCAPES: Final = (
    Escapes(""),
    Escapes(Text("non-ASCII characters escaped (Python's json.dumps)"), _NON_ASCII),
    Escapes(Text("non-ASCII characters and slashes escaped (PHP's json_encode)"),
            r"\x80-\U0010ffff/"),
    Escapes(Text("slashes escaped (PHP with JSON_UNESCAPED_UNICODE)"), "/\u2028\u2029"),
    Escapes(Text("<, > and & escaped (Go's json.Marshal, Rails)"), "<>&\u2028\u2029"),
    Escapes(Text("<, >, &, = and ' escaped (Gson)"), "<>&='\u2028\u2029"),
    Escapes(Text("non-ASCII characters, <, >, &, + and ' escaped (.NET)"), _NON_ASCII + "<>&+'`",
            "04X", short=False),
    Escapes(Text("DEL and U+2028 escaped"), "\x7f\u2028\u2029"),
)  # fmt: skip
_SHORT: Final = {
    "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\", "/": r"\/",
}  # fmt: skip


def _string_writer(escapes: Escapes) -> Callable[[str], str]:
    """Return what writes a string with its quotation marks."""
    special = re.compile(f'["\\\\\\x00-\\x1f{escapes.also}]')
    known: dict[str, str] = {}

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character == '"':
            return r"\"" if escapes.short else r"\u0022"
        if character in _SHORT:
            return _SHORT[character]
        units = character.encode("utf-16-be", "surrogatepass")
        pairs = (int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2))
        return "".join(f"\\u{unit:{escapes.digits}}" for unit in pairs)

    def write(text: str) -> str:
        written = known.get(text)
        if written is None:
            written = known[text] = f'"{special.sub(escape, text)}"'
        return written

    return write


def _as_double(digits: str) -> str:
    """Write a number as JavaScript does, and Go, which read each as a double."""
    number = float(digits)
    if number.is_integer() and abs(number) < 1e21:  # noqa: PLR2004  ECMA-262, Number::toString
        return str(int(number))
    return re.sub(r"e([+-])0", r"e\1", repr(number))


def _as_float(digits: str) -> str:
    """Write a number as Python, Ruby and Java do, which keep whole numbers and fractions apart."""
    return repr(float(digits)) if re.search("[.eE]", digits) else digits


NUMBERS: Final = (
    ("", str),
    (Text("whole numbers without their .0 (JavaScript, PHP, Go)"), _as_double),
    (Text("fractions with their shortest digits"), _as_float),
)


class Style(NamedTuple):
    """One way to write a value."""

    layout: Layout
    strings: Callable[[str], str]
    numbers: Callable[[str], str]
    is_sorted: bool
    phrases: tuple[str, ...]
    """What is special about it, for people; empty for what this service sends."""

    @property
    def description(self) -> Text:
        """The phrases in one, such as "without spaces, keys sorted"."""
        description = Text(self.layout.phrase)
        for phrase in self.phrases:
            description = Text("{first}, {second}", first=description, second=Text(phrase))
        return description

    def write(self, value: Any) -> bytes:
        """Return the value in this style, UTF-8."""
        pieces: list[str] = []
        self._write(value, self.layout.line, pieces.append)
        return "".join(pieces).encode("utf-8", "surrogatepass")

    def _write(self, value: Any, line: str, put: Callable[[str], None]) -> None:
        if isinstance(value, Number):
            put(self.numbers(value))
        elif isinstance(value, str):
            put(self.strings(value))
        elif isinstance(value, Members | list):
            self._write_container(value, line, put)
        else:
            put({True: "true", False: "false", None: self.layout.null}[value])

    def _write_container(
        self, value: Members | list[Any], line: str, put: Callable[[str], None]
    ) -> None:
        layout, is_object = self.layout, isinstance(value, Members)
        if not value:
            put(layout.empty[not is_object])
            return
        in_line = not is_object and layout.arrays_in_line
        inner = line if in_line or not line else line + layout.indent
        around = " " if in_line else ""
        put("{" if is_object else "[")
        items = sorted(value, key=itemgetter(0)) if self.is_sorted and is_object else value
        for index, item in enumerate(items):
            put((layout.comma if index else "") + (around or inner))
            if is_object:
                put(self.strings(item[0]) + layout.colon)
            self._write(item[1] if is_object else item, inner, put)
        put(around or line)
        put("}" if is_object else "]")


def compact_styles() -> list[Style]:
    """Return the styles without spaces that senders of events use, ours first."""
    return [
        Style(
            COMPACT, _string_writer(escapes), str, False, (escapes.phrase,) * bool(escapes.phrase)
        )
        for escapes in ESCAPES[:5]
    ]


def styles(value: Any) -> Iterator[Style]:
    """Yield every style, likely ones first, less those that write this value as another does."""
    scalars = list(_scalars(value))
    texts = [text for text in scalars if not isinstance(text, Number)]
    digits = [text for text in scalars if isinstance(text, Number)]
    strings = _distinct(((one.phrase, _string_writer(one)) for one in ESCAPES), texts)
    numbers = _distinct(NUMBERS, digits)
    orders = (("", False), (Text("keys sorted"), True)) if _is_unsorted(value) else (("", False),)
    for (order, is_sorted), number, string, layout in product(orders, numbers, strings, LAYOUTS):
        phrases = tuple(phrase for phrase in (string[0], number[0], order) if phrase)
        yield Style(layout, string[1], number[1], is_sorted, phrases)


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Members):
        for key, inner in value:
            yield key
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)


def _distinct(writers: Any, texts: Sequence[str]) -> list[tuple[str, Callable[[str], str]]]:
    """Return the writers, each with its phrase, that write these texts as none before does."""
    found: dict[tuple[str, ...], tuple[str, Callable[[str], str]]] = {}
    for phrase, write in writers:
        found.setdefault(tuple(map(write, texts)), (phrase, write))
    return list(found.values())


def _is_unsorted(value: Any) -> bool:
    if isinstance(value, Members) and any(a[0] > b[0] for a, b in pairwise(value)):
        return True
    return any(map(_is_unsorted, _children(value)))

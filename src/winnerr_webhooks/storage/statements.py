"""SQL by name, read from .sql files.

A statement starts at a line `-- name: something`. In it,

- `:something` is a bound value,
- `{something}` is the text of that other statement: a fragment that several use,
- `{something:value}` is the same with `value` put where the fragment says `:%`.

The statements in this package's folder `sql` are those that both databases take. Where a word
differs between them, they name a fragment, and each adapter's own folder `sql` has that.
"""

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_FRAGMENT: Final = re.compile(r"\{(\w+)(?::([a-z_]+))?\}")


@cache
def statements_of(package: str) -> dict[str, str]:
    """Return an adapter's statements by name, without comments, with fragments put in."""
    found: dict[str, str] = {}
    for folder in (files(__package__), files(package)):
        for file in sorted(folder.joinpath("sql").iterdir(), key=lambda one: one.name):
            if file.name.endswith(".sql"):
                found |= _read(file)
    return _whole(found)


@cache
def statements_in(package: str, file: str) -> dict[str, str]:
    """Return the statements of one file beside the modules of a package."""
    return _whole(_read(files(package).joinpath(file)))


def _read(file: Traversable) -> dict[str, str]:
    _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
    texts = (_COMMENT.sub("", text).strip() for text in parts[1::2])
    return dict(zip(parts[::2], texts, strict=True))


def _whole(found: dict[str, str]) -> dict[str, str]:
    return {name: _with_fragments(text, found) for name, text in found.items()}


def _with_fragments(text: str, found: dict[str, str]) -> str:
    def fragment(match: re.Match[str]) -> str:
        value = match[2]
        included = found[match[1]] if value is None else found[match[1]].replace("%", value)
        return _with_fragments(included, found)

    return _FRAGMENT.sub(fragment, text)


@cache
def migrations_of(package: str) -> tuple[str, ...]:
    """Return the scripts that create and upgrade the database; the n-th leads to version n."""
    folder = files(package).joinpath("migrations")
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(script.read_text(encoding="utf-8") for script in scripts)

"""SQL by name, read from the .sql files beside an adapter.

A statement starts at a line `-- name: something`; in it, `{something}` is the text of that other
statement: a fragment used in several.
"""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"\{(\w+)\}")


@cache
def statements_of(package: str) -> dict[str, str]:
    """Every statement in the package's folder `sql`, fragments put in."""
    found: dict[str, str] = {}
    for file in sorted(files(package).joinpath("sql").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
            found.update(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    return {name: _included(text, found) for name, text in found.items()}


def _included(text: str, found: dict[str, str]) -> str:
    return _INCLUDE.sub(lambda match: _included(found[match[1]], found), text)


@cache
def migrations_of(package: str) -> tuple[str, ...]:
    """The scripts that make and upgrade the database, in order; the n-th leads to version n."""
    folder = files(package).joinpath("migrations")
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return tuple(script.read_text(encoding="utf-8") for script in scripts)

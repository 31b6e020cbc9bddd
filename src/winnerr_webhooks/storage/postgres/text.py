"""Text from outside, as PostgreSQL can take it."""

from typing import overload


@overload
def storable(text: str) -> str: ...
@overload
def storable(text: None) -> None: ...
@overload
def storable(text: str | None) -> str | None: ...
def storable(text: str | None) -> str | None:
    """`text` without NUL, which no column holds (PostgreSQL's manual, section 8.3)."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")

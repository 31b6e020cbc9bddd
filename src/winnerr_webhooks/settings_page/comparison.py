"""Two attempts side by side: which headers and which lines of their bodies differ. Pure."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec

MAX_LINES: Final = 400
"""Lines of each body that are compared; the time grows with their product."""


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A header or a line of both attempts; None where one does not have it."""

    name: str = ""
    """Of a header, as the first attempt that has it writes it."""
    left: str | None
    right: str | None

    @property
    def differs(self) -> bool:
        """Whether it is not the same in both."""
        return self.left != self.right


class ComparedLines(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of two bodies."""

    rows: list[ComparedRow]
    is_cut: bool
    """Whether there are lines after the last that was compared."""

    @property
    def differ(self) -> bool:
        """Whether any line differs."""
        return any(row.differs for row in self.rows)


def compare_headers(
    left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]]
) -> list[ComparedRow]:
    """The headers of both by name; several of one name are one row, a line each."""
    columns = [_by_name(left), _by_name(right)]
    names = {name.lower(): name for headers in (right, left) for name, _ in headers}
    ordered = [*columns[0], *(key for key in columns[1] if key not in columns[0])]
    return [
        ComparedRow(name=names[key], left=columns[0].get(key), right=columns[1].get(key))
        for key in ordered
    ]


def _by_name(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}\n{value}" if key in found else value
    return found


def compare_lines(left: str, right: str) -> ComparedLines:
    """The lines of two texts, those that are the same beside each other."""
    lines = [text.splitlines() for text in (left, right)]
    first, second = (one[:MAX_LINES] for one in lines)
    rows: list[ComparedRow] = []
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    for _, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        height = max(left_to - left_from, right_to - right_from)
        rows += [
            ComparedRow(
                left=first[left_from + at] if left_from + at < left_to else None,
                right=second[right_from + at] if right_from + at < right_to else None,
            )
            for at in range(height)
        ]
    return ComparedLines(rows=rows, is_cut=any(len(one) > MAX_LINES for one in lines))

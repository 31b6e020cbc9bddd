"""Reads the code blocks of the documentation's pages."""

import re
from pathlib import Path
from typing import Final, NamedTuple

REPOSITORY: Final = Path(__file__).parents[1]

_PAGES: Final = ("*.md", "docs/**/*.md", "sdk/*.md", "sdk/*/README.md")


class Block(NamedTuple):
    """One code block.

    `page` is its path in the repository, `headings` those it is below, the nearest one last, and
    `file` the name that the text before it says to save it as. `language` is empty, or "text", for
    what a program prints and for drawings.
    """

    page: str
    headings: tuple[str, ...]
    language: str
    file: str | None
    text: str

    @property
    def is_code(self) -> bool:
        """Whether somebody could run it."""
        return self.language not in {"", "text"}


def code_blocks(page: str) -> list[Block]:
    """Return all blocks of a page, in order."""
    blocks: list[Block] = []
    headings: list[tuple[int, str]] = []
    prose = ""
    lines = iter((REPOSITORY / page).read_text("utf-8").splitlines())
    for line in lines:
        if fence := re.fullmatch(r"\s*```(\w*)", line):
            text = ""
            for inside in lines:
                if inside.strip() == "```":
                    break
                text += f"{inside}\n"
            names = re.findall(r"as\s+`([\w./]+\.\w+)`", prose)
            below = tuple(heading for _, heading in headings)
            blocks.append(Block(page, below, fence[1], names[-1] if names else None, text))
            prose = ""
        elif title := re.fullmatch(r"(#+) (.+)", line):
            headings = [one for one in headings if one[0] < len(title[1])]
            headings.append((len(title[1]), title[2]))
            prose = ""
        else:
            prose += f"{line}\n"
    return blocks


def section(page: str, heading: str) -> list[Block]:
    """Return the blocks of code below a heading and the smaller headings under it."""
    return [one for one in code_blocks(page) if heading in one.headings and one.is_code]


def pages() -> list[str]:
    """Return the pages that readers follow: the README, all below `docs`, and those of the SDKs."""
    found = [path for pattern in _PAGES for path in REPOSITORY.glob(pattern)]
    return sorted(str(page.relative_to(REPOSITORY)) for page in found)

"""The quarantine: tests that may fail until they are mended, by name, with a date and a reason."""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("quarantine.txt")
ROOT = Path(__file__).parents[1]


class Quarantined(NamedTuple):
    """One test; `name` is its node id without parameters."""

    name: str
    since: date
    reason: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.name} since {self.since}: {self.reason}"


def read(text: str, root: Path = ROOT) -> list[Quarantined]:
    """Parse the file's text. `ValueError` names the first line that is wrong, or out of date."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, since, reason = line.split(maxsplit=2)
            entry = Quarantined(name, date.fromisoformat(since), reason)
        except ValueError:
            raise ValueError(
                f"line {number} is not `path::test_name YYYY-MM-DD reason`: {line}"
            ) from None
        path, _, test = name.partition("::")
        file = root / path
        if not file.is_file() or not re.search(
            rf"^(async )?def {re.escape(test)}\(", file.read_text(), re.MULTILINE
        ):
            raise ValueError(f"line {number} names a test that does not exist: {name}")
        found.append(entry)
    return found

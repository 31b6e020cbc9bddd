"""The tests that `make test` runs behind pgbouncer are there under the names that select them."""

import re
from pathlib import Path

from tests.contract.conftest import A_STATEMENT_OF_EACH_KIND, BY_POOLER


def test_each_selected_test_exists() -> None:
    """A renamed test must not leave the selection without notice."""
    modules = [Path(__file__).with_name(f"{name}.py").read_text() for name in BY_POOLER]
    names = re.findall(r"(?m)^async def (test_\w+)", "".join(modules))
    assert A_STATEMENT_OF_EACH_KIND.issubset(names)

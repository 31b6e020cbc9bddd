"""The quarantine of flaky tests is strict about what it lists."""

from datetime import date

import pytest
from tests import quarantine

TEST = "tests/test_it.py::test_it"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("async def test_it(server):\n    pass\n")
    return tmp_path


def test_an_entry_has_a_name_a_date_and_a_reason(project) -> None:
    text = f"# a comment\n\n{TEST}  2026-11-29  loses a race with the reader\n"
    (entry,) = quarantine.read(text, project)
    assert entry == (TEST, date(2026, 11, 29), "loses a race with the reader")
    assert str(entry) == f"{TEST} since 2026-11-29: loses a race with the reader"


@pytest.mark.parametrize("line", [TEST, f"{TEST} 2026-11-29", f"{TEST} yesterday it failed"])
def test_a_line_without_date_or_reason_is_refused(line, project) -> None:
    with pytest.raises(ValueError, match="line 1 is not"):
        quarantine.read(line, project)


@pytest.mark.parametrize("name", [f"{TEST}_too", "tests/test_other.py::test_it"])
def test_a_test_that_does_not_exist_is_refused(name, project) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        quarantine.read(f"{name} 2026-11-29 flaky", project)


def test_the_file_itself_is_in_order() -> None:
    quarantine.read(quarantine.FILE.read_text())

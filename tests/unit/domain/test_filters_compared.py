"""The page that has our filters beside Hookdeck's says what ours answer."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.event_filter import check_filter, judge_of, parse_payload

PAGE = Path(__file__).parents[3] / "docs/reference/filters-compared.md"
OPERATORS = (
    "$eq $ne $neq $gt $gte $lt $lte $in $nin $startsWith $endsWith $contains $exist "
    "$or $and $not $ref"
)


class Case(NamedTuple):
    """A row of the page. `spelled` is the filter to write here, `none`, or empty: the same."""

    theirs: str
    data: str
    there: str
    same: str
    spelled: str
    then: str


CASES = [
    Case(*(re.sub(r"^`|`$", "", cell.strip()) for cell in line[1:-1].split("|")))
    for line in PAGE.read_text().splitlines()
    if line.startswith("| `")
]


def answer(text: str, data: str) -> str:
    """Return the answer to a filter on `data`, as the page calls it."""
    try:
        stored = check_filter(f'{{"data": {text}}}')
    except Invalid:
        return "refused"
    body = encode_payload("contact.created", "2025-01-15T14:23:00Z", "org_1", data.encode())
    return "yes" if judge_of(stored)(parse_payload(body)) else "no"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.theirs} {case.data}"[:60])
def test_each_row_says_what_our_filters_answer(case):
    assert answer(case.theirs, case.data) == case.same
    if case.spelled not in ("", "none"):
        assert answer(case.spelled, case.data) == case.then
    else:
        assert not case.then


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.theirs} {case.data}"[:60])
def test_where_there_is_a_spelling_it_gives_the_documented_answer(case):
    documented, _, source = case.there.partition(" (")
    assert (
        source == ""
        if documented == "not documented"
        else re.fullmatch(r"([DRS], )?[DRS]\)", source)
    )
    assert documented in ("yes", "no", "not documented")
    ours = case.then or case.same
    if documented != "not documented" and case.spelled != "none":
        assert ours == documented
    if case.spelled == "none":
        assert ours != documented


def test_the_page_has_every_operator_and_every_kind_of_answer():
    assert len(CASES) == 58
    for operator in OPERATORS.split():
        assert any(f'"{operator}"' in case.theirs + case.spelled for case in CASES), operator
    assert {case.same for case in CASES} == {"yes", "no", "refused"}
    assert {case.there.partition(" (")[0] for case in CASES} == {"yes", "no", "not documented"}
    assert len({(case.theirs, case.data) for case in CASES}) == len(CASES)


def test_a_refused_operator_is_answered_with_what_to_write():
    with pytest.raises(Invalid, match=r"Did you mean \$ne\b"):
        check_filter('{"data": {"status": {"$neq": "deleted"}}}')

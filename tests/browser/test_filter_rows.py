"""Filters as rows and as JSON mean the same: the server judges both, in generated cases."""

import json
import random
from typing import Any

import pytest
from playwright.async_api import Page

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.event_filter import check_filter, judge_of, parse_payload

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATHS = ("event", "timestamp", "data", "data.a", "data.b", "data.a.c", "data.é", "data.__proto__")
VALUES = (
    "0", "-1", "1.0", "1e400", "9007199254740993", "true", "null", "won", "wo", "5", '"5"', '""',
    '"true"', '" a "', "a b", 'a "b"', '"a, b"', '"\\n"', "[1]", "{", "é", "contact.created",
)  # fmt: skip
OPERATORS = (
    "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$startsWith",
    "$endsWith", "$exist", "!$exist",
)  # fmt: skip
DATA = (
    "{}", '{"a": 0}', '{"a": 1, "b": "won"}', '{"a": {"c": 5}, "b": null}', '{"a": "5", "b": true}',
    '{"a": {"c": "a b"}, "b": ["won", 5]}', '{"a": 9007199254740993}', '{"__proto__": 1, "é": ""}',
    '{"b": " a ", "a": {"c": "won"}}', '{"a": "a, b", "b": "\\n"}',
)  # fmt: skip
PAYLOADS = [
    parse_payload(encode_payload("contact.created", "2025-01-15T14:23:00Z", "o", data.encode()))
    for data in DATA
]
CONVERT = """async ({rows, texts}) => {
  const main = document.querySelector("script[src$='main.js']").src;
  const {filterOf, problemOf, rowsOf} = await import(main.replace("main.js", "filter_rows.js"));
  return {
    problems: rows.map((some) => some.map(problemOf)),
    written: rows.map(filterOf),
    alone: rows.map((some) => some.map((row) => filterOf([row]))),
    read: texts.map(rowsOf).map((found) => found && [found, filterOf(found)]),
  };
}"""


def judged(text: str) -> list[bool]:
    judge = judge_of(check_filter(text))
    return [judge(payload) for payload in PAYLOADS]


async def convert(page: Page, *, rows: Any = (), texts: Any = ()) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(CONVERT, {"rows": rows, "texts": texts})
    return found


def random_rows(chance: random.Random) -> list[dict[str, str]]:
    def value(operator: str) -> str:
        count = chance.randint(1, 3) if operator in ("$in", "$nin") else 1
        return ", ".join(chance.choices(VALUES, k=count))

    chosen = chance.choices(OPERATORS, k=chance.randint(1, 5))
    return [{"path": chance.choice(PATHS), "operator": one, "value": value(one)} for one in chosen]


@pytest.mark.thorough
async def test_generated_rows_are_the_same_after_json_and_mean_what_each_of_them_says(visit):
    chance = random.Random(17)
    page = await visit("/new")
    cases = [random_rows(chance) for _ in range(600)]
    found = await convert(page, rows=cases)
    problems = [one for some in found["problems"] for one in some]
    assert set(problems) == {None}
    again = await convert(page, texts=found["written"])
    for rows, text, alone, back in zip(
        cases, found["written"], found["alone"], again["read"], strict=True
    ):
        assert back is not None, text
        read, rewritten = back
        assert rewritten == text
        assert sorted((one["path"], one["operator"]) for one in read) == sorted(
            (one["path"], one["operator"]) for one in rows
        )
        single = [judged(one) for one in alone]
        assert judged(text) == [all(each) for each in zip(*single, strict=True)], text


def random_condition(chance: random.Random, depth: int) -> Any:
    literals = (0, 1.5, 5, True, None, "won", "5", "true", "", " a ", "a, b", ["won", 5], {"c": 5})
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(literals[:-1])
    inner = lambda: random_condition(chance, depth - 1)  # noqa: E731
    members = {}
    for name in chance.sample(
        ("a", "b", "c", "a.b", "é", *OPERATORS[:12], "$and", "$or", "$not"), 2
    ):
        if name in ("$and", "$or"):
            members[name] = [inner() for _ in range(chance.randint(1, 2))]
        elif name in ("$in", "$nin"):
            members[name] = chance.sample(literals, chance.randint(0, 3))
        elif name == "$exist":
            members[name] = chance.random() < 0.5
        elif name.startswith("$") and name != "$not":
            members[name] = chance.choice(literals)
        else:
            members[name] = inner()
    return members


async def test_generated_filters_mean_the_same_in_rows_or_are_left_as_json(visit):
    chance = random.Random(18)
    page = await visit("/new")
    texts = []
    while len(texts) < 600:
        condition = random_condition(chance, 3)
        text = json.dumps({"data": condition} if chance.random() < 0.8 else condition)
        try:
            texts.append(check_filter(text))
        except Invalid:
            continue
    found = (await convert(page, texts=texts))["read"]
    shown = 0
    for text, read in zip(texts, found, strict=True):
        if read is None:
            continue
        shown += 1
        assert judged(read[1]) == judged(text), text
        assert '"$or"' not in text
        assert '"$not"' not in text
    assert 100 < shown < 500
    refused = (
        "{",
        "[]",
        "1",
        '"won"',
        "{}",
        '{"data": {}}',
        '{"stage": "won"}',
        '{"data": {"$x": 1}}',
    )
    assert (await convert(page, texts=refused))["read"] == [None] * len(refused)


async def test_a_text_is_in_quotes_only_where_it_would_be_read_as_something_else(visit):
    page = await visit("/new")
    shown = {
        '{"data": {"a": "undefined state"}}': "undefined state",
        '{"data": {"a": "a, b"}}': "a, b",
        '{"data": {"a": {"$in": ["a, b", "undefined"]}}}': '"a, b", undefined',
        '{"data": {"a": "5"}}': '"5"',
        '{"data": {"a": "true"}}': '"true"',
    }
    found = await convert(page, texts=list(shown))
    assert [rows[0]["value"] for rows, _ in found["read"]] == list(shown.values())

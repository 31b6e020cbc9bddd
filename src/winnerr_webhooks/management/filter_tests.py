"""Filter tests: which of an organization's last events a filter would have let through."""

import asyncio
from typing import ClassVar, Final

import msgspec

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.event_filter import check_filter, judge_of, parse_payload
from winnerr_webhooks.ids import id_ms
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.webhook_drafts import RAW_JSON_FIELDS
from winnerr_webhooks.storage.port import Storage

DEFAULT_EVENTS: Final = 100
MOST_EVENTS: Final = 500
MOST_EXAMPLES: Final = 10
"""Matching events in a result, at most."""


class FilterTestDraft(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A filter to test, unchecked; `events` are those that a webhook would subscribe to."""

    filter: str
    """As JSON: its numbers keep their digits."""
    events: list[str] | None = None
    last: int = DEFAULT_EVENTS
    raw_json_fields: ClassVar = RAW_JSON_FIELDS


class MatchingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a filter lets through."""

    id: str
    name: str
    accepted_at: int
    """Wall time in ms since 1970."""


class FilterTestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many events were tested, how many of them match, and the newest that do."""

    tested: int
    matched: int
    examples: tuple[MatchingEvent, ...]


async def test_filter(
    storage: Storage, catalog: Catalog, organization: str, draft: FilterTestDraft
) -> FilterTestResult:
    """Judge the last events of an organization. Raises `Invalid` with all wrong fields."""
    checks = FieldChecks()
    text = checks.run(check_filter, draft.filter, "")
    events: tuple[str, ...] | None = None
    if draft.events is not None:
        events = checks.run(catalog.normalise_events, draft.events, ())
    if not 1 <= draft.last <= MOST_EVENTS:
        checks.refuse("/last", f"`last` must be from 1 to {MOST_EVENTS}.")
    checks.done()
    names = None if events is None else [one.name for one in catalog.chosen(events)]
    judge, tested, matching = judge_of(text), 0, []
    for event_id, body in await storage.recent_events(organization, names, draft.last):
        tested += 1
        payload = parse_payload(body)
        if judge(payload):
            accepted_at = id_ms(event_id)
            matching.append(
                MatchingEvent(id=event_id, name=payload.value["event"], accepted_at=accepted_at)
            )
        await asyncio.sleep(0)  # a large payload takes some ms
    return FilterTestResult(
        tested=tested, matched=len(matching), examples=tuple(matching[:MOST_EXAMPLES])
    )

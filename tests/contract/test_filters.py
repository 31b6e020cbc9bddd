"""Filtered webhooks: judged as an event is accepted, the same on both databases."""

import re
from pathlib import Path

import pytest

from winnerr_webhooks.domain.event_filter import check_filter
from winnerr_webhooks.storage.road_values import LeaseTerms

LEASE = LeaseTerms(seconds=60)
WON = '{"data":{"stage":"won"}}'
LOST = '{"data":{"stage":"lost"}}'
PAGE = Path(__file__).parents[2] / "docs/reference/filters.md"
CASES = [
    [re.sub(r"^`|`$", "", cell.strip()) for cell in line.strip("|\n").split("|")]
    for line in PAGE.read_text().split("## Cases")[1].splitlines()
    if line.startswith("| `")
]


@pytest.fixture(params=[LEASE, None], ids=["leased", "free"])
def lease(request) -> LeaseTerms | None:
    return request.param


def deal(world, stage: str, **options):
    return world.event("contact.created", data=b'{"stage":"%s"}' % stage.encode(), **options)


async def counts(world, *events, lease) -> list[int]:
    return [answer.deliveries for answer in await world.accept(*events, lease=lease)]


async def test_every_case_of_the_reference_is_so(world, lease) -> None:
    """All in one batch: a webhook of an organization of its own for each filter."""
    events = []
    for number, (text, data, _) in enumerate(CASES):
        organization = f"org_{number}"
        await world.webhook(organization=organization, filter=check_filter(text))
        events.append((organization, data.encode()))
    sent = [int(case[2] == "yes") for case in CASES]
    for _ in range(2):  # the second time, a node knows all filters
        batch = [world.event(organization=one, data=data) for one, data in events]
        assert await counts(world, *batch, lease=lease) == sent


async def test_only_matching_events_make_deliveries_and_others_are_kept_without(
    world, lease
) -> None:
    filtered = await world.webhook(filter=WON)
    plain = await world.webhook()
    events = [deal(world, "won"), deal(world, "lost"), deal(world, "won")]
    assert await counts(world, *events, lease=lease) == [2, 1, 2]
    for event, ids in zip(
        events, ({filtered.id, plain.id}, {plain.id}, {filtered.id, plain.id}), strict=True
    ):
        stored = await world.storage.event("org_1", event.id)
        assert {one.webhook_id for one in stored.deliveries} == ids
    if lease is None:
        claimed = await world.claim()
        assert len(claimed) == 5
        assert sum(one.webhook_id == filtered.id for one in claimed) == 2


async def test_a_changed_filter_counts_for_the_next_event(world, lease) -> None:
    webhook = await world.webhook(filter=WON)
    assert await counts(world, deal(world, "won"), deal(world, "lost"), lease=lease) == [1, 0]
    webhook = await world.change(webhook, filter=LOST)
    assert webhook.filter == LOST
    assert await counts(world, deal(world, "won"), deal(world, "lost"), lease=lease) == [0, 1]
    await world.change(webhook, filter=None)
    assert await counts(world, deal(world, "won"), deal(world, "lost"), lease=lease) == [1, 1]
    await world.change(webhook, filter=WON)
    other = await world.webhook(filter=LOST)
    assert await counts(world, deal(world, "won"), deal(world, "open"), lease=lease) == [1, 0]
    await world.storage.delete_webhook("org_1", other.id)
    assert await counts(world, deal(world, "lost"), deal(world, "won"), lease=lease) == [0, 1]


async def test_a_repeat_has_the_first_answer_whatever_the_filter_is_by_then(world, lease) -> None:
    webhook = await world.webhook(filter=WON)
    first = deal(world, "won", client_id="crm-1")
    assert await counts(world, first, lease=lease) == [1]
    await world.change(webhook, filter=LOST)
    again, new = deal(world, "won", client_id="crm-1"), deal(world, "won", client_id="crm-2")
    repeat, fresh = await world.accept(again, new, lease=lease)
    assert (repeat.duplicate, repeat.deliveries, repeat.id) == (True, 1, first.id)
    assert (fresh.duplicate, fresh.deliveries) == (False, 0)


async def test_a_paused_webhook_keeps_only_what_matches(world, lease) -> None:
    webhook = await world.webhook(filter=WON, status="paused")
    await world.accept(deal(world, "won"), deal(world, "lost"), lease=lease)
    assert await world.storage.cancelled("org_1", webhook.id) == 1


async def test_a_test_event_is_sent_whatever_the_filter_says(world) -> None:
    webhook = await world.webhook(filter=WON)
    answer = await world.storage.send_test(deal(world, "lost"), webhook.id, LEASE)
    assert answer.deliveries == 1


async def test_filters_of_one_organization_say_nothing_about_another(world, lease) -> None:
    await world.webhook(filter=WON)
    await world.webhook(organization="org_2")
    events = [deal(world, "lost"), deal(world, "lost", organization="org_2")]
    assert await counts(world, *events, lease=lease) == [0, 1]


async def test_the_last_events_of_an_organization_are_read_newest_first(world) -> None:
    events = [
        world.event("contact.created"),
        world.event("deal.created"),
        world.event("deal.created", organization="org_2"),
        world.event("contact.created"),
    ]
    for event in events:
        await world.accept(event)
        world.clock.advance(seconds=1)
    read = world.storage.recent_events
    first, second, _, last = ((one.id, one.body) for one in events)
    assert await read("org_1", None, 10) == [last, second, first]
    assert await read("org_1", None, 2) == [last, second]
    assert await read("org_1", ["deal.created"], 10) == [second]
    assert await read("org_3", None, 10) == []


async def test_numbers_in_a_filter_are_stored_and_read_as_written(world) -> None:
    text = '{"data":{"n":{"$lt":1e400,"$gt":1.50}}}'
    webhook = await world.webhook(filter=text)
    assert (await world.storage.webhook("org_1", webhook.id)).filter == text

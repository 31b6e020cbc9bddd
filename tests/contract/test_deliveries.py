"""Storage.deliveries, delivery and event."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY
from winnerr_webhooks.storage import log_queries
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.values import DeliveryFilter


async def _deliveries(world, **fields):
    query = DeliveryFilter(**({"organization": "org_1"} | fields))
    return (await world.storage.deliveries(query)).items


async def test_a_delivery_is_read_whole(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=1)
    world.clock.advance(seconds=1)
    await world.settle((await world.claim())[0])
    seen = await world.delivery(delivery)
    assert (seen.body, seen.event_id, seen.event) == (
        delivery.body,
        delivery.event_id,
        delivery.event,
    )
    assert [one.attempt for one in seen.attempts] == [1, 2]
    assert {one.request_body for one in seen.attempts} == {delivery.body}
    assert not seen.test


async def test_of_a_delivery_with_many_attempts_the_newest_are_read_and_their_body_once(
    world, monkeypatch
) -> None:
    """Else who replays one large event again and again, and reads it, takes all memory."""
    monkeypatch.setattr(log_queries, "MAX_ATTEMPTS", 3)
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=1)
    for _ in range(4):
        world.clock.advance(seconds=1)
        await world.settle((await world.claim())[0], RETRY, retry_in=1)
    seen = await world.delivery(delivery)
    assert [one.attempt for one in seen.attempts] == [3, 4, 5]
    assert seen.body == delivery.body
    assert all(one.request_body is seen.body for one in seen.attempts)
    assert {one.response_body for one in seen.attempts} == {b"ok"}


@pytest.mark.parametrize("id_", ["", "dlv_", "dlv_" + "0" * 30, "evt_" + "0" * 26])
async def test_an_unknown_delivery_is_not_found(world, id_) -> None:
    await world.webhook()
    assert await world.storage.delivery("org_1", id_) is None


async def test_deliveries_are_newest_first_waiting_and_settled_together(world) -> None:
    await world.webhook("contact.created")
    await world.webhook("*")
    made = []
    for number in range(5):
        (answer,) = await world.accept()
        made += answer.leased
        if number % 2:
            await world.settle(answer.leased[0])
    ids = sorted((one.id for one in made), reverse=True)
    seen = []
    before = None
    while True:
        page = await world.storage.deliveries(
            DeliveryFilter(organization="org_1", limit=3, before=before)
        )
        seen += [one.id for one in page.items]
        assert all(one.attempts == [] and one.body == b"" for one in page.items)
        before = page.next
        if before is None:
            break
    assert seen == ids


async def test_deliveries_are_filtered(world) -> None:
    one = await world.webhook("contact.created")
    two = await world.webhook("deal.created")
    delivered, failed, waiting = [await world.leased() for _ in range(3)]
    await world.settle(delivered)
    await world.settle(failed, EXHAUSTED)
    world.clock.advance(seconds=10)
    middle = world.clock.ms
    cancelled = await world.leased(name="deal.created")
    await world.change(two, status="paused")

    async def ids(**fields) -> set[str]:
        return {one.id for one in await _deliveries(world, **fields)}

    for _ in range(2):
        assert await ids(status=states.DELIVERED) == {delivered.id}
        assert await ids(status=states.FAILED) == {failed.id}
        assert await ids(status=states.PENDING) == {waiting.id}
        assert await ids(status=states.CANCELLED) == {cancelled.id}
        assert await ids(webhook=one.id) == {delivered.id, failed.id, waiting.id}
        assert await ids(webhook=one.id, status=states.FAILED) == {failed.id}
        assert await ids(webhook=two.id, status=states.FAILED) == set()
        assert await ids(event="deal.created") == {cancelled.id}
        assert await ids(since=middle) == {cancelled.id}
        assert await ids(until=middle) == {delivered.id, failed.id, waiting.id}
        assert await ids(organization="org_2") == set()
        await world.finish_jobs()  # and the same once it is written down


async def test_a_delivery_that_is_replayed_is_listed_once_with_its_state(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    (seen,) = await _deliveries(world)
    assert (seen.status, seen.next_attempt_at) == (states.FAILED, world.clock.ms)


async def test_tests_are_listed_as_such(world) -> None:
    webhook = await world.webhook()
    await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    (seen,) = await _deliveries(world)
    assert seen.test


async def test_an_event_is_read_with_its_deliveries(world) -> None:
    await world.webhook()
    await world.webhook()
    event = world.event(client_id="crm-1")
    (answer,) = await world.accept(event)
    await world.settle(answer.leased[0])
    seen = await world.storage.event("org_1", event.id)
    assert (seen.id, seen.name, seen.client_id) == (event.id, event.name, "crm-1")
    assert {one.id: one.status for one in seen.deliveries} == {
        answer.leased[0].id: states.DELIVERED,
        answer.leased[1].id: states.PENDING,
    }

"""Storage.add_rehearsal, rehearsal_step, rehearsal and cancel_rehearsal."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.domain.errors import Conflict, NotFound
from winnerr_webhooks.storage.rehearsal_port import AnswerStart, NewRehearsal, RehearsalResult

URL = "https://new.example.com/hook"
OK = AnswerStart("succeeded", 200, 3.5, "", b"fine")


def _new(world, webhook, *, last: int = 20, organization: str = "org_1") -> NewRehearsal:
    return NewRehearsal(
        id=world.ids.new("reh"),
        organization=organization,
        webhook_id=webhook.id,
        url=URL,
        last=last,
    )


async def _step(world, done=None, answer=OK):
    result = None
    if done is not None:
        result = RehearsalResult(
            rehearsal_id=done.rehearsal_id, position=done.position, answer=answer
        )
    return await world.storage.rehearsal_step(result, 30.0)


async def test_the_last_events_are_sent_oldest_first_and_answers_are_beside_the_recorded(
    world,
) -> None:
    webhook = await world.webhook()
    deliveries = [await world.leased() for _ in range(3)]
    for number in (0, 2, 1):  # the last two were answered in another order
        await world.settle(deliveries[number], EXHAUSTED, body=b"busy" * 1_000)
        world.clock.advance(seconds=1)
    new = _new(world, webhook, last=2)
    assert await world.storage.add_rehearsal(new) == 2
    first = await _step(world)
    assert (first.url, first.delivery_id, first.attempt) == (URL, deliveries[1].id, 1)
    assert (first.event, first.body) == ("contact.created", deliveries[1].body)
    second = await _step(world, first)
    assert second.delivery_id == deliveries[2].id
    found = await world.storage.rehearsal("org_1", new.id)
    assert (found.status, found.answers[1].rehearsed) == ("running", None)
    assert await _step(world, second, AnswerStart("failed", None, 9.0, "No answer", b"")) is None
    found = await world.storage.rehearsal("org_1", new.id)
    assert found.status == "done"
    assert found.answers[0].rehearsed == OK
    assert found.answers[1].rehearsed == AnswerStart("failed", None, 9.0, "No answer", b"")
    recorded = found.answers[0].recorded
    assert (recorded.status, recorded.duration_ms) == (503, 12.5)
    assert recorded.body == b"busy" * 256
    assert await _step(world) is None


async def test_a_recorded_answer_without_a_body_is_an_empty_body(world) -> None:
    webhook = await world.webhook()
    await world.settle(await world.leased(), EXHAUSTED, body=b"")
    new = _new(world, webhook)
    await world.storage.add_rehearsal(new)
    found = await world.storage.rehearsal("org_1", new.id)
    assert found.answers[0].recorded.body == b""


async def test_a_rehearsal_changes_nothing_of_deliveries_and_webhook(world) -> None:
    webhook = await world.webhook()
    failed = await world.leased()
    await world.settle(failed, EXHAUSTED)
    before = await world.storage.webhook_states("org_1"), await world.storage.health("org_1", 0)
    await world.storage.add_rehearsal(_new(world, webhook))
    assert await _step(world, await _step(world)) is None
    assert before == (
        await world.storage.webhook_states("org_1"),
        await world.storage.health("org_1", 0),
    )
    assert await world.status(failed) == states.FAILED
    assert len((await world.delivery(failed)).attempts) == 1
    assert await world.claim() == []


async def test_several_attempts_of_a_delivery_are_one_event_and_the_newest_is_recorded(
    world,
) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, EXHAUSTED)
    await world.storage.replay("org_1", delivery.id)
    (replay,) = await world.claim()
    await world.settle(replay)
    new = _new(world, webhook)
    assert await world.storage.add_rehearsal(new) == 1
    found = await world.storage.rehearsal("org_1", new.id)
    assert found.answers[0].recorded.status == 200
    assert (await _step(world)).attempt == 2


async def test_another_node_goes_on_when_the_lease_has_run_out(world) -> None:
    webhook = await world.webhook()
    for _ in range(2):
        await world.settle(await world.leased())
    await world.storage.add_rehearsal(_new(world, webhook))
    first = await _step(world)
    second = await _step(world, first)
    assert await _step(world) is None
    world.clock.advance(seconds=31)
    again = await _step(world)
    assert again.position == second.position
    assert await _step(world, again) is None


@pytest.mark.parametrize("adapter", ["sqlite"], indirect=True)
async def test_the_only_node_goes_on_at_its_start(world) -> None:
    """It is alone, so no other node can have the lease."""
    webhook = await world.webhook()
    await world.settle(await world.leased())
    await world.storage.add_rehearsal(_new(world, webhook))
    first = await _step(world)
    assert await _step(world) is None
    await world.storage.recover()
    assert await _step(world) == first


async def test_a_cancelled_rehearsal_sends_nothing_more(world) -> None:
    webhook = await world.webhook()
    for _ in range(2):
        await world.settle(await world.leased())
    new = _new(world, webhook)
    await world.storage.add_rehearsal(new)
    first = await _step(world)
    await world.storage.cancel_rehearsal("org_2", new.id)
    assert (await world.storage.rehearsal("org_1", new.id)).status == "running"
    await world.storage.cancel_rehearsal("org_1", new.id)
    assert await _step(world, first) is None
    found = await world.storage.rehearsal("org_1", new.id)
    assert found.status == "cancelled"
    assert [one.rehearsed is None for one in found.answers] == [False, True]


async def test_an_organization_has_one_rehearsal_at_a_time(world) -> None:
    webhook = await world.webhook()
    other = await world.webhook(organization="org_2")
    await world.settle(await world.leased())
    new = _new(world, webhook)
    await world.storage.add_rehearsal(new)
    with pytest.raises(Conflict, match="cancel it"):
        await world.storage.add_rehearsal(_new(world, webhook))
    assert await world.storage.add_rehearsal(_new(world, other, organization="org_2")) == 0
    with pytest.raises(NotFound):
        await world.storage.add_rehearsal(_new(world, other))
    assert await world.storage.rehearsal("org_2", new.id) is None
    await world.storage.cancel_rehearsal("org_1", new.id)
    assert await world.storage.add_rehearsal(_new(world, webhook)) == 1


async def test_rehearsals_go_after_7_days(world) -> None:
    webhook = await world.webhook()
    await world.settle(await world.leased())
    new = _new(world, webhook)
    await world.storage.add_rehearsal(new)
    world.clock.advance(days=6)
    await world.storage.run_retention_slice(30)
    assert await world.storage.rehearsal("org_1", new.id) is not None
    world.clock.advance(days=2)
    await world.storage.run_retention_slice(30)
    assert await world.storage.rehearsal("org_1", new.id) is None

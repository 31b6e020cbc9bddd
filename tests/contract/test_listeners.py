"""Listeners: webhooks whose attempts are made by a program that is connected."""

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.storage import listener_verbs
from winnerr_webhooks.storage.values import LogFilter, NewWebhook, ReplayFilter

MINUTES = 60.0
SECRET = "a secret of this listener"


@pytest.fixture
def listener(world):
    """Open a listener."""

    async def open_(identity: str = "key_1", *events: str, limit: int = 50, **fields):
        new = NewWebhook(
            id=world.ids.new("wh"),
            organization=fields.get("organization", "org_1"),
            url=fields.get("url", "http://localhost:3000/hook"),
            description=None,
            events=events or ("*",),
            secret=SECRET,
        )
        return await world.storage.open_listener(new, identity, limit)

    return open_


async def settle(world, delivery, happened=states.SUCCESS):
    """Settle an attempt that a listener made."""
    item = world.settlement(delivery, happened)
    item = type(item)(delivery=delivery, record=item.record, verdict=item.verdict, by_listener=True)
    return await world.storage.settle([item])


async def test_a_listener_keeps_its_id_and_secret_and_takes_url_and_events(world, listener) -> None:
    first = await listener("key_1", "deal.created")
    again = await listener("key_1", "contact.created", url="http://localhost:4000/")
    assert again.id == first.id
    assert (again.url, again.events) == ("http://localhost:4000/", ("contact.created",))
    assert await world.storage.secrets("org_1", first.id) == (SECRET, None)
    (wanted, unwanted) = await world.accept(world.event(), world.event("deal.created"))
    assert (wanted.deliveries, unwanted.deliveries) == (1, 0)
    (target,) = await world.storage.targets([first.id])
    assert (target.by_listener, target.secret) == (True, SECRET)
    other = await world.webhook()
    assert not (await world.storage.targets([other.id]))[0].by_listener


async def test_identities_and_organizations_have_listeners_of_their_own(listener) -> None:
    made = [await listener(), await listener("key_2"), await listener(organization="org_2")]
    assert len({one.id for one in made}) == 3


async def test_listeners_are_in_no_list_of_webhooks_and_take_no_place_of_one(
    world, listener
) -> None:
    made = await listener()
    webhook = await world.webhook(limit=1)
    assert [one.id for one in await world.storage.webhooks("org_1")] == [webhook.id]
    assert [one.webhook_id for one in await world.storage.webhook_states("org_1")] == [webhook.id]
    assert (await world.storage.webhook("org_1", made.id)).id == made.id


async def test_what_a_listener_sends_is_in_the_log_and_counts_nowhere_else(world, listener) -> None:
    made = await listener()
    for happened in (states.SUCCESS, states.EXHAUSTED):
        await settle(world, await world.leased(), happened)
    page = await world.storage.log(LogFilter(organization="org_1"))
    assert [(one.trigger, one.outcome) for one in page.items] == [
        ("listen", "failed"),
        ("listen", "succeeded"),
    ]
    assert [one.delivery_status for one in page.items] == ["failed", "delivered"]
    assert await world.storage.health("org_1", 0) == []
    assert (await world.storage.webhook("org_1", made.id)).status == "active"


async def test_days_of_failures_do_not_disable_a_listener(make_world, listener, world) -> None:
    made = await listener()
    for _ in range(25):
        world.clock.advance(days=1)
        await settle(world, await world.leased(), states.EXHAUSTED)
    assert (await world.storage.webhook("org_1", made.id)).status == "active"


async def test_a_replay_is_sent_once_more_and_no_more(world, listener) -> None:
    await listener()
    delivery = await world.leased()
    await settle(world, delivery, states.EXHAUSTED)
    for happened in (states.REPLAY_FAILED, states.SUCCESS):
        await world.storage.replay("org_1", delivery.id)
        (again,) = await world.claim()
        assert (again.id, again.trigger) == (delivery.id, "replay")
        await settle(world, again, happened)
        assert await world.claim() == []
    assert await world.status(delivery) == "delivered"


async def test_a_replay_of_everything_leaves_listeners_out(world, listener) -> None:
    made = await listener()
    await settle(world, await world.leased(), states.EXHAUSTED)
    assert await world.storage.replay_many(ReplayFilter(organization="org_1"), dry_run=False) == 0
    assert not await world.storage.run_job_slice()
    own = ReplayFilter(organization="org_1", webhook=made.id)
    assert await world.storage.replay_many(own, dry_run=False) == 1
    await world.finish_jobs()
    assert len(await world.claim()) == 1


async def test_due_listeners_are_those_with_work_now(world, listener) -> None:
    made, idle = await listener("key_1"), await listener("key_2", "deal.created")
    asked = [made.id, idle.id]
    assert await world.storage.due_listeners(asked) == []
    await world.accept(lease=None)
    assert await world.storage.due_listeners(asked) == [made.id]
    assert await world.storage.due_listeners([idle.id]) == []


async def test_a_listener_that_nobody_saw_for_long_ends_and_can_be_opened_again(
    world, listener
) -> None:
    gone, kept = await listener("key_1"), await listener("key_2")
    (answer,) = await world.accept(lease=None)
    assert answer.deliveries == 2
    assert await world.storage.end_stale_listeners(15 * MINUTES) == []
    world.clock.advance(seconds=10 * MINUTES)
    await world.storage.see_listeners([kept.id])
    world.clock.advance(seconds=10 * MINUTES)
    assert await world.storage.end_stale_listeners(15 * MINUTES) == [gone.id]
    assert await world.storage.end_stale_listeners(15 * MINUTES) == []
    await world.finish_jobs()
    event = await world.storage.event("org_1", answer.id)
    assert {one.webhook_id: one.status for one in event.deliveries} == {
        gone.id: "cancelled",
        kept.id: "pending",
    }
    (unheard,) = await world.accept(lease=None)
    assert unheard.deliveries == 1
    assert [one.webhook_id for one in (await world.storage.event("org_1", unheard.id)).deliveries]
    assert (await listener("key_1")).id == gone.id
    (heard,) = await world.accept(lease=None)
    assert heard.deliveries == 2


async def test_a_listener_that_falls_too_far_behind_ends(world, listener, monkeypatch) -> None:
    monkeypatch.setattr(listener_verbs, "COUNT_LIMIT", 2)
    made = await listener()
    await world.accept(world.event(), world.event(), lease=None)
    assert await world.storage.end_stale_listeners(15 * MINUTES) == []
    await world.accept(lease=None)
    assert await world.storage.end_stale_listeners(15 * MINUTES) == [made.id]


async def test_too_many_listeners_replace_the_one_unseen_for_longest(world, listener) -> None:
    first, second = await listener("a", limit=2), await listener("b", limit=2)
    with pytest.raises(Conflict):
        await listener("c", limit=2)
    world.clock.advance(seconds=60)
    await world.storage.see_listeners([first.id])
    world.clock.advance(seconds=20 * MINUTES)
    assert set(await world.storage.end_stale_listeners(MINUTES)) == {first.id, second.id}
    third = await listener("c", limit=2)
    assert await world.storage.webhook("org_1", second.id) is None
    assert await world.storage.webhook("org_1", first.id) is not None
    assert third.id not in (first.id, second.id)

"""Webhooks and sign-in while several nodes are at them at once."""

import asyncio

from tests.unit.storage.postgres.two_nodes import blocked, under_way

from winnerr_webhooks.domain.delivery import EXHAUSTED
from winnerr_webhooks.domain.errors import Conflict
from winnerr_webhooks.storage import webhook_queries
from winnerr_webhooks.storage.values import Grant, WebhookChange


async def test_two_nodes_together_keep_to_the_limit(worlds) -> None:
    made = await asyncio.gather(
        *(worlds[at % 2].webhook(limit=5) for at in range(12)), return_exceptions=True
    )
    refused = [one for one in made if isinstance(one, Exception)]
    assert {type(one) for one in refused} == {Conflict}
    assert len(refused) == 7
    assert len(await worlds[0].storage.webhooks("org_1")) == 5


async def test_webhooks_made_at_once_have_numbers_of_their_own(worlds) -> None:
    await asyncio.gather(*(worlds[at % 2].webhook() for at in range(10)))
    (answer,) = await worlds[0].accept()
    assert len({one.id for one in answer.leased}) == 10


async def test_edits_of_two_nodes_both_count(worlds) -> None:
    webhook = await worlds[0].webhook()
    await asyncio.gather(
        worlds[0].change(webhook, url="https://new.example.com/"),
        worlds[1].change(webhook, description="Zapier"),
    )
    seen = await worlds[0].storage.webhook("org_1", webhook.id)
    assert (seen.url, seen.description) == ("https://new.example.com/", "Zapier")
    assert seen.version == webhook.version + 2


async def test_a_mark_is_not_seen_before_those_below_it(worlds) -> None:
    """A reader that has seen the later of two changes has seen the earlier one, too."""
    one, other = worlds
    first, second = await one.webhook(), await one.webhook()
    mark, _ = await one.storage.changed_webhooks(0)

    def edit(db):
        change = WebhookChange(url="https://new.example.com/")
        return webhook_queries.change(
            db,
            "org_1",
            first.id,
            change,
            one.clock.ms,
            keyring=one.storage._keyring,
            recovery_id=None,
        )

    async with under_way(one.storage, edit):
        later = await blocked(
            other.storage, other.storage.set_secret("org_1", second.id, "a secret of ours", 0)
        )
        assert await other.storage.changed_webhooks(mark) == (mark, [])
    await later
    _, changed = await other.storage.changed_webhooks(mark)
    assert set(changed) == {first.id, second.id}


async def test_a_reader_that_follows_the_mark_misses_no_change(worlds) -> None:
    made = [await worlds[0].webhook() for _ in range(8)]
    mark, _ = await worlds[0].storage.changed_webhooks(0)
    told: list[str] = []
    over = asyncio.Event()

    async def follow():
        nonlocal mark
        while True:
            last = over.is_set()
            mark, changed = await worlds[0].storage.changed_webhooks(mark)
            told.extend(changed)
            if last:
                return

    async def edit(webhook, at):
        for turn in range(5):
            await worlds[at % 2].change(webhook, description=f"{turn}")

    follower = asyncio.create_task(follow())
    await asyncio.gather(*(edit(webhook, at) for at, webhook in enumerate(made)))
    over.set()
    await follower
    assert set(told) == {webhook.id for webhook in made}
    assert await worlds[1].storage.changed_webhooks(mark) == (mark, [])


async def test_a_webhook_paused_at_that_moment_is_not_disabled(worlds) -> None:
    one, other = worlds
    webhook = await one.webhook()
    delivery = await one.leased()

    def pause(db):
        change = WebhookChange(status="paused")
        return webhook_queries.change(
            db,
            "org_1",
            webhook.id,
            change,
            one.clock.ms,
            keyring=one.storage._keyring,
            recovery_id=None,
        )

    async with under_way(one.storage, pause):
        gone = await blocked(other.storage, other.settle(delivery, EXHAUSTED, disable="gone"))
    await gone
    seen = await one.storage.webhook("org_1", webhook.id)
    assert (seen.status, seen.status_reason) == ("paused", None)
    assert (await one.storage.figures()).jobs == 1


async def test_of_two_nodes_that_consume_a_link_one_gets_the_session(worlds) -> None:
    for at in range(10):
        link, sessions = bytes([at]) * 32, (bytes([at, 1]) * 16, bytes([at, 2]) * 16)
        granted = Grant(
            organization="org_1", role="admin", user=None, expires_at=worlds[0].clock.ms + 1000
        )
        await worlds[0].storage.create_link(granted, link)
        both = await asyncio.gather(
            *(
                world.storage.consume_link(link, session, 60)
                for world, session in zip(worlds, sessions, strict=True)
            )
        )
        assert sorted(one is None for one in both) == [False, True]
        begun = [await worlds[0].storage.session(session) for session in sessions]
        assert begun == list(both)

"""What the settings page asks of a storage: who is signed in, how webhooks stand, what is new."""

import asyncio

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.ids import id_floor
from winnerr_webhooks.storage.values import Grant, LogFilter, PageOptions

LINK, SESSION, OTHER = b"l" * 32, b"s" * 32, b"o" * 32


def grant(world, *, seconds=600, role="admin"):
    return Grant(
        organization="org_1",
        role=role,
        user="Jane",
        expires_at=world.clock.now_ms() + seconds * 1000,
        page=PageOptions(path="/logs", language="de", organization_name="Zoë & Söhne"),
    )


async def test_a_link_starts_one_session_and_is_used_up_by_it(world):
    await world.storage.create_link(grant(world, role="viewer"), LINK)

    session = await world.storage.consume_link(LINK, SESSION, 28_800)

    assert session is not None
    assert (session.organization, session.role, session.user) == ("org_1", "viewer", "Jane")
    assert session.expires_at == world.clock.now_ms() + 28_800_000
    assert session.page == grant(world).page
    assert await world.storage.session(SESSION) == session
    assert await world.storage.link(LINK) is None
    assert await world.storage.consume_link(LINK, OTHER, 28_800) is None
    assert await world.storage.session(OTHER) is None


async def test_of_two_that_consume_a_link_at_once_one_gets_the_session(world):
    await world.storage.create_link(grant(world), LINK)

    both = await asyncio.gather(
        world.storage.consume_link(LINK, SESSION, 60), world.storage.consume_link(LINK, OTHER, 60)
    )

    assert sorted(one is None for one in both) == [False, True]


async def test_looking_at_a_link_does_not_use_it_up(world):
    made = grant(world)
    await world.storage.create_link(made, LINK)

    assert await world.storage.link(LINK) == made
    assert await world.storage.link(LINK) == made


async def test_a_link_that_has_expired_starts_nothing(world):
    await world.storage.create_link(grant(world, seconds=600), LINK)
    world.clock.advance(seconds=600)

    assert await world.storage.link(LINK) is None
    assert await world.storage.consume_link(LINK, SESSION, 60) is None
    assert await world.storage.session(SESSION) is None


async def test_a_session_ends_by_itself_and_by_signing_out(world):
    await world.storage.create_link(grant(world), LINK)
    await world.storage.create_link(grant(world), OTHER)
    await world.storage.consume_link(LINK, SESSION, 60)
    await world.storage.consume_link(OTHER, b"2" * 32, 600)

    world.clock.advance(seconds=60)
    assert await world.storage.session(SESSION) is None
    assert await world.storage.session(b"2" * 32) is not None

    await world.storage.end_session(b"2" * 32)
    assert await world.storage.session(b"2" * 32) is None


async def test_retention_takes_links_and_sessions_that_are_over(world):
    await world.storage.create_link(grant(world), LINK)
    await world.storage.create_link(grant(world), OTHER)
    await world.storage.consume_link(LINK, SESSION, 60)
    world.clock.advance(days=1)

    assert await world.storage.run_retention_slice(30) == 2
    assert await world.storage.run_retention_slice(30) == 0


async def test_a_webhook_without_attempts_stands_with_nothing(world):
    webhook = await world.webhook()

    (state,) = await world.storage.webhook_states("org_1")

    assert state.webhook_id == webhook.id
    assert (state.last, state.failing_since, state.first_failure) == (None, None, None)
    assert (state.failures, state.waiting) == (0, 0)
    assert await world.storage.webhook_states("org_2") == []


async def test_the_last_attempt_and_what_waits_are_seen(world):
    await world.webhook()
    delivery = await world.leased()
    await world.leased()
    await world.settle(delivery, states.RETRY, message="503 Service Unavailable")

    (state,) = await world.storage.webhook_states("org_1")

    assert state.waiting == 2
    assert state.last is not None
    assert (state.last.outcome, state.last.status) == ("failed", 503)
    assert state.last.error_message == "503 Service Unavailable"


async def test_a_streak_of_failures_names_the_attempt_that_began_it(world):
    await world.webhook()
    before = world.ids.new("att")
    await world.settle(await world.leased(), record_id=before)
    world.clock.advance(seconds=1)
    first = world.ids.new("att")
    await world.settle(await world.leased(), states.RETRY, record_id=first)
    began = world.clock.now_ms()
    world.clock.advance(seconds=90)
    await world.settle(await world.leased(), states.RETRY)

    (state,) = await world.storage.webhook_states("org_1")
    assert (state.failing_since, state.failures, state.first_failure) == (began, 2, first)

    await world.settle(await world.leased())
    (state,) = await world.storage.webhook_states("org_1")
    assert (state.failing_since, state.first_failure) == (None, None)


async def test_what_a_pause_cancelled_and_missed_is_counted_before_and_after_its_job(world):
    webhook = await world.webhook()
    await world.leased()
    await world.change(webhook, status="paused")
    await world.accept(world.event())

    assert await world.storage.cancelled("org_1", webhook.id) == 2
    await world.finish_jobs()
    assert await world.storage.cancelled("org_1", webhook.id) == 2
    assert await world.storage.cancelled("org_2", webhook.id) == 0
    (state,) = await world.storage.webhook_states("org_1")
    assert state.waiting == 0


async def test_the_log_gives_only_what_is_newer_than_an_attempt_or_an_instant(world):
    await world.webhook()
    ids = []
    for _ in range(3):
        ids.append(world.ids.new("att"))
        await world.settle(await world.leased(), record_id=ids[-1])
        world.clock.advance(seconds=1)

    async def after(mark):
        page = await world.storage.log(LogFilter(organization="org_1", after=mark))
        return [item.id for item in page.items]

    assert await after(ids[0]) == [ids[2], ids[1]]
    assert await after(ids[2]) == []
    assert await after(id_floor("att", world.clock.now_ms() - 1_000)) == [ids[2]]

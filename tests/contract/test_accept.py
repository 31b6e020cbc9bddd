"""Storage.accept and send_test."""

import asyncio

import pytest

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.errors import NotFound, Poisoned
from winnerr_webhooks.storage.road_values import LeaseTerms


@pytest.fixture(params=[LeaseTerms(seconds=60), None], ids=["leased", "free"])
def lease(request):
    """Both ways in which deliveries are born, each with statements of its own."""
    return request.param


async def test_an_event_without_subscribers_is_accepted_and_kept(world) -> None:
    event = world.event()
    (answer,) = await world.accept(event)
    assert (answer.id, answer.deliveries, answer.duplicate, answer.leased) == (
        event.id,
        0,
        False,
        (),
    )
    kept = await world.storage.event("org_1", event.id)
    assert kept.body == event.body
    assert kept.accepted_at == world.clock.ms
    assert kept.deliveries == []


async def test_every_subscribed_webhook_gets_one_delivery(world, lease) -> None:
    by_name = await world.webhook("contact.created", "deal.created")
    by_wildcard = await world.webhook("*")
    both = await world.webhook("contact.created", "*")
    await world.webhook("deal.created")
    await world.webhook("*", organization="org_2")
    (answer,) = await world.accept(lease=lease)
    assert (answer.deliveries, answer.rows) == (3, 4)
    found = answer.leased if lease else await world.claim()
    assert {one.webhook_id for one in found} == {by_name.id, by_wildcard.id, both.id}
    stored = await world.storage.event("org_1", answer.id)
    assert {one.id for one in stored.deliveries} == {one.id for one in found}
    assert {one.status for one in stored.deliveries} == {states.PENDING}


async def test_a_pattern_gets_all_events_that_begin_with_it(world, lease) -> None:
    broad = await world.webhook("deal.*")
    narrow = await world.webhook("deal.stage.*")
    both = await world.webhook("deal.*", "deal.stage.*", "deal.stage.won")
    await world.webhook("deals.*", "dea.*", "deal")
    answers = await world.accept(
        *map(world.event, ("deal.stage.won", "deal.created", "deal", "contact.created")),
        lease=lease,
    )
    assert [answer.deliveries for answer in answers] == [3, 2, 1, 0]
    found = [one for answer in answers for one in answer.leased] if lease else await world.claim()
    sent = {(one.webhook_id, one.event_id) for one in found}
    assert {(broad.id, answers[0].id), (narrow.id, answers[0].id), (both.id, answers[0].id)} < sent
    assert {(broad.id, answers[1].id), (both.id, answers[1].id)} < sent
    assert len(found) == 6


async def test_deliveries_born_free_are_those_born_leased(world) -> None:
    """Both ways to fan out give the same ids, webhooks and bodies, for dozens of webhooks."""
    await world.webhook()
    for _ in range(40):
        await world.webhook("contact.created", "*")
    leased, free = world.event(), world.event()
    (first,) = await world.accept(leased)
    (second,) = await world.accept(free, lease=None)
    assert (first.deliveries, first.rows) == (second.deliveries, second.rows) == (41, 42)
    claimed = await world.claim(limit=1_000)
    assert {(one.id[-4:], one.webhook_id) for one in claimed} == {
        (one.id[-4:], one.webhook_id) for one in first.leased
    }
    assert {(one.event_id, one.body, one.trigger) for one in claimed} == {
        (free.id, free.body, "automatic")
    }


async def test_many_organizations_in_one_batch_get_what_they_want_and_no_more(world, lease) -> None:
    wanted = {}
    for name in ("org_1", "org_2", "org_3"):
        wanted[name] = (await world.webhook("deal.created", organization=name)).id
    await world.webhook("contact.created", organization="org_2")
    events = [world.event("deal.created", organization=f"org_{n % 4 + 1}") for n in range(200)]
    answers = await world.accept(*events, lease=lease)
    assert [answer.deliveries for answer in answers] == [1, 1, 1, 0] * 50
    assert [answer.rows for answer in answers] == [2, 2, 2, 1] * 50
    assert (await world.storage.figures()).pending == 150


async def test_fan_out_counts_the_webhooks_that_want_an_event(world) -> None:
    """Paused ones too, for their deliveries are rows as well; deleted ones not."""
    await world.webhook("contact.created", "*")
    await world.change(await world.webhook("*"), status="paused")
    gone = await world.webhook("*")
    await world.storage.delete_webhook("org_1", gone.id)
    await world.webhook("deal.created", organization="org_2")
    await world.webhook("call.*", organization="org_2")
    pairs = [("org_1", "contact.created"), ("org_2", "contact.created"), ("org_2", "deal.created")]
    assert await world.storage.fan_out([*pairs, ("org_2", "call.missed")]) == [2, 0, 1, 1]


async def test_a_delivery_is_born_leased_with_all_it_takes_to_send_it(world) -> None:
    webhook = await world.webhook()
    event = world.event()
    (answer,) = await world.accept(event)
    (leased,) = answer.leased
    assert leased.body == event.body
    assert (leased.event_id, leased.event, leased.organization) == (event.id, event.name, "org_1")
    assert (leased.webhook_id, leased.webhook_version) == (webhook.id, webhook.version)
    assert (leased.trigger, leased.attempt, leased.retries_used, leased.replay) == (
        "automatic",
        1,
        0,
        0,
    )
    assert leased.expires == world.clock.monotonic() + 60
    assert await world.claim() == []


@pytest.mark.parametrize("in_full", [False, True])
async def test_a_delivery_without_room_or_lease_is_born_free_and_due(world, in_full) -> None:
    webhook = await world.webhook()
    lease = LeaseTerms(seconds=60, full={"org_1": frozenset({webhook.id})}) if in_full else None
    (answer,) = await world.accept(world.event(), lease=lease)
    assert (answer.deliveries, answer.leased) == (1, ())
    (claimed,) = await world.claim()
    assert claimed.webhook_id == webhook.id


async def test_order_is_kept_and_batches_may_be_larger_than_a_statement(world) -> None:
    await world.webhook()
    events = [world.event() for _ in range(300)]
    answers = await world.accept(*events)
    assert [answer.id for answer in answers] == [event.id for event in events]
    assert all(answer.deliveries == 1 for answer in answers)
    assert len({answer.leased[0].id for answer in answers}) == 300
    assert (await world.storage.figures()).pending == 300


@pytest.mark.parametrize("together", [True, False])
async def test_a_client_id_is_accepted_once(world, lease, together) -> None:
    await world.webhook()
    first, again = world.event(client_id="crm-1"), world.event(client_id="crm-1")
    if together:
        answers = await world.accept(first, again, lease=lease)
    else:
        answers = [*await world.accept(first, lease=lease), *await world.accept(again, lease=lease)]
    assert [answer.rows for answer in answers] == [2, 0]
    assert (answers[0].duplicate, answers[0].deliveries) == (False, 1)
    assert (answers[1].id, answers[1].duplicate, answers[1].deliveries) == (first.id, True, 1)
    assert answers[1].leased == ()
    assert await world.storage.event("org_1", again.id) is None


@pytest.mark.parametrize("together", [True, False])
async def test_a_client_id_with_other_data_is_a_conflict(world, lease, together) -> None:
    first = world.event(client_id="crm-1")
    other = world.event(client_id="crm-1", data=b'{"id":"other"}')
    if together:
        answers = await world.accept(first, other, lease=lease)
    else:
        answers = [*await world.accept(first, lease=lease), *await world.accept(other, lease=lease)]
    assert (answers[1].conflict, answers[1].duplicate) == (True, False)
    assert await world.storage.event("org_1", other.id) is None


async def test_a_client_id_is_the_organizations_own(world) -> None:
    answers = await world.accept(
        world.event(client_id="crm-1"), world.event(client_id="crm-1", organization="org_2")
    )
    assert [answer.duplicate for answer in answers] == [False, False]


async def test_a_client_id_is_forgotten_after_30_days(world) -> None:
    await world.accept(world.event(client_id="crm-1"))
    world.clock.advance(days=30)
    (answer,) = await world.accept(world.event(client_id="crm-1"))
    assert answer.duplicate
    world.clock.advance(seconds=0.001)
    (answer,) = await world.accept(world.event(client_id="crm-1"))
    assert not answer.duplicate
    (answer,) = await world.accept(world.event(client_id="crm-1"))
    assert answer.duplicate


async def test_the_first_answer_counts_although_webhooks_changed_since(world) -> None:
    await world.accept(world.event(client_id="crm-1"))
    await world.webhook()
    (answer,) = await world.accept(world.event(client_id="crm-1"))
    assert answer.deliveries == 0


async def test_a_paused_webhook_gets_a_cancelled_delivery_that_is_not_counted(world, lease) -> None:
    webhook = await world.webhook()
    await world.change(webhook, status="paused")
    (answer,) = await world.accept(lease=lease)
    assert (answer.deliveries, answer.leased, answer.rows) == (0, (), 2)
    stored = await world.storage.event("org_1", answer.id)
    assert [one.status for one in stored.deliveries] == [states.CANCELLED]
    assert await world.claim() == []


async def test_a_deleted_webhook_gets_nothing(world, lease) -> None:
    webhook = await world.webhook()
    await world.storage.delete_webhook("org_1", webhook.id)
    (answer,) = await world.accept(lease=lease)
    assert (await world.storage.event("org_1", answer.id)).deliveries == []


async def test_a_webhook_is_live_the_moment_it_is_stored(world) -> None:
    await world.accept()
    await world.webhook()
    assert (await world.accept())[0].deliveries == 1


async def test_an_event_that_cannot_be_stored_is_poison_and_leaves_nothing(world, lease) -> None:
    good = world.event()
    bad = world.event(client_id="\ud800")
    with pytest.raises(Poisoned):
        await world.accept(good, bad, lease=lease)
    assert await world.storage.event("org_1", good.id) is None


async def test_a_failing_call_does_not_fail_the_others_of_its_moment(world) -> None:
    """Whatever is committed together, each call has its own answer."""
    await world.webhook()
    taken = world.event()
    await world.accept(taken)
    calls = [world.accept() for _ in range(5)]
    calls.insert(2, world.accept(taken))
    calls.append(world.storage.replay("org_1", "dlv_" + "0" * 30))
    *answers, unknown = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers.pop(2), Poisoned)
    assert isinstance(unknown, NotFound)
    for (answer,) in answers:
        assert await world.storage.event("org_1", answer.id) is not None


async def test_concurrent_calls_with_one_client_id_store_one_event(world) -> None:
    await world.webhook()
    answers = await asyncio.gather(
        *(world.accept(world.event(client_id="crm-1")) for _ in range(20))
    )
    assert len({answer.id for (answer,) in answers}) == 1
    assert [answer.duplicate for (answer,) in answers].count(False) == 1
    assert (await world.storage.figures()).pending == 1


async def test_bodies_come_back_to_the_byte(world) -> None:
    await world.webhook()
    data = '{"n":1.10,"s":"é\\u0000\\ud83d\\ude00 😀","big":12345678901234567890123}'.encode()
    first, second = world.event(data=data), world.event(data=b'{"x":"%_\\\\"}')
    await world.accept(first, second, lease=None)
    assert {one.event_id: one.body for one in await world.claim()} == {
        first.id: first.body,
        second.id: second.body,
    }
    assert (await world.storage.event("org_1", first.id)).body == first.body


# --- test deliveries ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["active", "paused"])
async def test_a_test_is_delivered_whatever_the_status(world, status) -> None:
    webhook = await world.webhook("deal.created")
    await world.change(webhook, status=status)
    answer = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    (leased,) = answer.leased
    assert (answer.deliveries, leased.trigger) == (1, "test")
    assert (await world.delivery(leased)).test
    await world.finish_jobs()
    await world.settle(leased)
    assert await world.status(leased) == states.DELIVERED


@pytest.mark.parametrize("status", ["active", "paused"])
async def test_a_test_that_found_no_room_is_claimed_whatever_the_status(world, status) -> None:
    webhook = await world.webhook()
    await world.change(webhook, status=status)
    await world.storage.send_test(world.event(), webhook.id, None)
    await world.finish_jobs()
    (claimed,) = await world.claim()
    assert claimed.trigger == "test"


async def test_a_test_has_one_attempt(world) -> None:
    webhook = await world.webhook()
    answer = await world.storage.send_test(world.event(), webhook.id, LeaseTerms(seconds=60))
    await world.settle(answer.leased[0], states.RETRY)
    assert await world.status(answer.leased[0]) == states.FAILED


@pytest.mark.parametrize("organization", ["org_1", "org_2"])
async def test_a_test_needs_a_webhook_of_the_organization(world, organization) -> None:
    webhook = await world.webhook(organization="org_2")
    if organization == "org_2":
        await world.storage.delete_webhook("org_2", webhook.id)
    with pytest.raises(NotFound):
        await world.storage.send_test(world.event(organization=organization), webhook.id, None)

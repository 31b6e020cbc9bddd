"""Listeners' streams on a real node and database: offers, answers, and how streams end."""

import asyncio

import pytest

from winnerr_webhooks.domain.errors import Conflict, Misdirected, NotFound, Unavailable
from winnerr_webhooks.pipeline.listener_hub import ListenerAnswer
from winnerr_webhooks.pipeline.listener_stream import PLACES, End, Heartbeat, Offer
from winnerr_webhooks.storage.values import NewWebhook

URL = "http://localhost:3000/hook"
OK = ListenerAnswer(duration_ms=3.5, status=200, response_body=b"ok")


class Program:
    """A connected program."""

    def __init__(self, world, webhook) -> None:
        self.world = world
        self.hub = world.node.listeners
        self.webhook = webhook

    async def connect(self, replaces: str | None = None) -> "Program":
        target = await self.hub.find("org_1", self.webhook.id)
        self.stream = self.hub.open(target, URL, replaces)
        self.messages = self.stream.messages()
        return self

    async def next(self, kind: type = Offer):
        """Return the next message that is not a heartbeat, which must be of this kind."""
        async with asyncio.timeout(60):
            while isinstance(message := await anext(self.messages), Heartbeat):
                pass
        assert isinstance(message, kind), message
        return message

    def answer(self, offer: Offer, answer: ListenerAnswer = OK) -> None:
        self.hub.answer("org_1", self.webhook.id, self.stream.id, offer.delivery.id, answer)


@pytest.fixture
def program(world):
    async def make(identity: str = "key_1") -> Program:
        new = NewWebhook(
            id=world.ids.new("wh"), organization="org_1", url=URL, description=None,
            events=("*",), secret="a secret of mine",
        )  # fmt: skip
        return Program(world, await world.storage.open_listener(new, identity, 10))

    return make


async def test_an_answer_becomes_an_attempt_that_no_metric_of_receivers_counts(
    world, program
) -> None:
    one = await (await program()).connect()
    (accepted,) = await world.emit()
    assert accepted.deliveries == 1
    offer = await one.next()
    assert offer.head.startswith(b"POST /hook HTTP/1.1\r\nHost: localhost:3000\r\n")
    assert b"\r\nX-Winnerr-Signature: sha256=" in offer.head
    one.answer(offer)
    await world.settled(1)
    delivery = await world.delivery(offer.delivery.id)
    (attempt,) = delivery.attempts
    assert (delivery.status, attempt.trigger, attempt.url) == ("delivered", "listen", URL)
    assert attempt.request_head == offer.head[:-4]
    assert world.egress.made == []
    counted = [
        line
        for line in world.metrics.render().decode().splitlines()
        if line.startswith("winnerr_webhooks_attempts_total{")
    ]
    assert counted
    assert all(line.endswith(" 0.0") for line in counted)


async def test_no_more_is_offered_than_a_program_has_places_for(world, program) -> None:
    one = await (await program()).connect()
    await world.emit(PLACES + 1)
    offers = [await one.next() for _ in range(PLACES)]
    assert len({offer.delivery.id for offer in offers}) == PLACES
    assert one.stream.places == 0
    one.answer(offers[0])
    await one.next()


async def test_bodies_are_bounded_too(world, program) -> None:
    one = await (await program()).connect()
    await world.emit(PLACES, size=200 * 1024)
    offers = [await one.next() for _ in range(6)]  # the sixth crosses 1 MiB
    assert one.stream.places == 0
    one.answer(offers[0])
    await one.next()


async def test_an_answer_that_comes_twice_counts_once(world, program) -> None:
    one = await (await program()).connect()
    await world.emit()
    offer = await one.next()
    one.answer(offer)
    one.answer(offer)
    await world.settled(1)
    assert len((await world.delivery(offer.delivery.id)).attempts) == 1


async def test_what_is_not_answered_in_time_is_offered_again_to_somebody_else(
    world, program
) -> None:
    sleeper = await (await program()).connect()
    await world.emit()
    offer = await sleeper.next()
    awake = await Program(world, sleeper.webhook).connect()
    world.clock.elapsed += 31.0
    assert (await sleeper.next(End)).reason == "stalled"
    again = await awake.next()
    assert (again.delivery.id, again.delivery.attempt) == (offer.delivery.id, 1)
    with pytest.raises(Misdirected):
        sleeper.answer(offer)
    awake.answer(again)
    await world.settled(1)


async def test_a_program_that_is_gone_leaves_what_it_did_not_answer(world, program) -> None:
    one = await (await program()).connect()
    await world.emit(3)
    first = await one.next()
    one.answer(first)
    one.hub.close_stream(one.stream)
    again = await Program(world, one.webhook).connect()
    offers = [await again.next() for _ in range(2)]
    assert first.delivery.id not in {offer.delivery.id for offer in offers}
    assert len(world.node.listeners) == 1


async def test_a_new_stream_of_the_same_program_replaces_the_old_one_at_once(
    world, program
) -> None:
    one = await (await program()).connect()
    await world.emit()
    await one.next()
    new = await Program(world, one.webhook).connect(replaces=one.stream.id)
    assert (await one.next(End)).reason == "replaced"
    await new.next()
    other = await (await program("key_2")).connect(replaces=new.stream.id)
    assert new.stream.end_reason is None
    assert other.stream.end_reason is None


async def test_a_410_and_retry_after_stop_nothing(world, program) -> None:
    one = await (await program()).connect()
    for answer in (
        ListenerAnswer(duration_ms=1.0, status=410),
        ListenerAnswer(duration_ms=1.0, status=503, response_head=b"Retry-After: 3600\r\n"),
    ):
        await world.emit()
        one.answer(await one.next(), answer)
    await world.emit()
    one.answer(await one.next())
    await world.settled(3)
    assert (await world.storage.webhook("org_1", one.webhook.id)).status == "active"


async def test_what_waits_while_no_program_is_connected_stays_in_the_database(
    world, program
) -> None:
    one = await program()
    await world.emit(3)
    other = await world.webhook()
    await world.emit()
    call = await world.egress.next()  # other lanes go on
    call.answer()
    await one.connect()
    offers = [await one.next() for _ in range(4)]
    assert {offer.delivery.attempt for offer in offers} == {1}
    assert {offer.delivery.webhook_id for offer in offers} == {one.webhook.id} != {other.id}


async def test_a_test_event_reaches_a_listener_as_one(world, program) -> None:
    one = await (await program()).connect()
    await world.emit()
    one.answer(await one.next())
    accepted = await world.node.intake.send_test(world.event(), one.webhook.id)
    world.node.signals.work_requested(one.webhook.id)
    offer = await one.next()
    assert offer.delivery.event_id == accepted.id
    assert b"\r\nX-Winnerr-Test: true\r\n" in offer.head


async def test_a_listener_that_is_paused_or_deleted_ends_its_streams(world, program) -> None:
    paused, deleted = await program("a"), await program("b")
    await paused.connect()
    await deleted.connect()
    await world.change(paused.webhook, status="paused")
    await world.storage.delete_webhook("org_1", deleted.webhook.id)
    world.clock.elapsed += 6.0
    world.node.signals.work_due(0.0)
    assert (await paused.next(End)).reason == "ended"
    assert (await deleted.next(End)).reason == "ended"
    with pytest.raises(Conflict):
        await paused.connect()
    with pytest.raises(NotFound):
        await deleted.connect()


async def test_only_listeners_have_streams_and_only_their_organizations(world, program) -> None:
    one, hook = await program(), await world.webhook()
    for organization, id_ in (("org_2", one.webhook.id), ("org_1", hook.id), ("org_1", "wh_1")):
        with pytest.raises(NotFound):
            await one.hub.find(organization, id_)


async def test_a_node_that_stops_ends_streams_and_gives_back_what_was_offered(
    world, program
) -> None:
    one = await (await program()).connect()
    await world.emit()
    offer = await one.next()
    await world.node.stop()
    assert (await one.next(End)).reason == "stopping"
    with pytest.raises(Unavailable):
        await one.connect()
    (again,) = (await world.claimed()).deliveries
    assert (again.id, again.attempt) == (offer.delivery.id, 1)


async def test_a_new_secret_signs_the_next_offer(world, program) -> None:
    one = await (await program()).connect()
    await world.storage.set_secret("org_1", one.webhook.id, None, 0)
    await world.emit()
    assert b"Signature" not in (await one.next()).head

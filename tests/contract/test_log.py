"""Storage.log, attempt, deliveries, delivery and event."""

import pytest
from msgspec.structs import replace

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.storage import fair_semaphore, log_queries, log_scan
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.traffic_port import TrafficQuery
from winnerr_webhooks.storage.values import DeliveryFilter, LogFilter, ReplayFilter

LEASE = LeaseTerms(seconds=60)


async def _log(world, **fields):
    return (await world.storage.log(LogFilter(**({"organization": "org_1"} | fields)))).items


async def _logged(world, count: int, happened: str = SUCCESS, **options):
    """Attempts, oldest first, a second apart."""
    deliveries = []
    for _ in range(count):
        delivery = await world.leased()
        await world.settle(delivery, happened, **options)
        world.clock.advance(seconds=1)
        deliveries.append(delivery)
    return deliveries


async def test_the_log_is_newest_first_and_pages_without_gaps(world) -> None:
    await world.webhook()
    made = await _logged(world, 7)
    seen = []
    before = None
    sizes = []
    while True:
        page = await world.storage.log(LogFilter(organization="org_1", limit=3, before=before))
        seen += [one.delivery_id for one in page.items]
        sizes.append(len(page.items))
        before = page.next
        if before is None:
            break
    assert seen == [one.id for one in reversed(made)]
    assert sizes == [3, 3, 1]


async def test_a_full_last_page_has_no_next(world) -> None:
    await world.webhook()
    await _logged(world, 3)
    page = await world.storage.log(LogFilter(organization="org_1", limit=3))
    assert (len(page.items), page.next) == (3, None)


async def test_a_list_carries_no_bodies_but_the_start_of_a_failures_answer(world) -> None:
    await world.webhook()
    await world.settle(await world.leased(), SUCCESS, body=b"fine")
    await world.settle(await world.leased(), EXHAUSTED, body=b"x" * 5_000)
    failed, fine = await _log(world)
    assert (fine.request_body, fine.response_body) == (b"", b"")
    assert (failed.request_body, failed.response_body) == (b"", b"x" * 1024)


async def test_a_list_carries_the_start_of_long_response_headers(world) -> None:
    await world.webhook()
    await world.settle(await world.leased(), head=b"x: " + b"y" * 20_000)
    (listed,) = await _log(world)
    assert len(listed.response_head) == 8_192
    whole = await world.storage.attempt("org_1", listed.id)
    assert len(whole.response_head) == 20_003


async def test_the_log_is_filtered(world) -> None:
    one = await world.webhook("contact.created")
    two = await world.webhook("deal.created")
    await _logged(world, 2)
    middle = world.clock.ms
    await _logged(world, 1, EXHAUSTED, status=404)
    deal = await world.leased(name="deal.created")
    await world.settle(deal, RETRY, status=503)

    async def count(**fields) -> int:
        return len(await _log(world, **fields))

    assert await count() == 4
    assert await count(webhook=one.id) == 3
    assert await count(webhook=two.id) == 1
    assert await count(webhook="wh_unknown") == 0
    assert await count(event="deal.created") == 1
    assert await count(outcome="succeeded") == 2
    assert await count(outcome="failed") == 2
    assert await count(outcome="failed", webhook=one.id) == 1
    assert await count(status=(404, 404)) == 1
    assert await count(status=(500, 599)) == 1
    assert await count(status=(200, 599)) == 4
    assert await count(since=middle) == 2
    assert await count(until=middle) == 2
    assert await count(since=middle, until=middle) == 0
    assert await count(organization="org_2") == 0
    assert await count(organization="org_2", webhook=one.id) == 0


async def test_delivery_status_and_next_attempt_are_those_of_now(world) -> None:
    await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, RETRY, retry_in=60)
    (seen,) = await _log(world)
    assert (seen.delivery_status, seen.next_attempt_at) == ("pending", world.clock.ms + 60_000)
    world.clock.advance(seconds=60)
    await world.settle((await world.claim())[0])
    assert [
        (one.attempt, one.delivery_status, one.next_attempt_at) for one in await _log(world)
    ] == [
        (2, "delivered", None),
        (1, "delivered", None),
    ]


TEXTS = [
    ("jane", True),
    ("JANE SMITH", True),
    ("smith", True),
    ("UPSTREAM timed", True),
    ("service unavail", True),
    ("ünïcode", True),
    ("ÜNÏCODE", True),
    ("Ñandú", True),
    ("100%", True),
    ("100_", False),
    ("%", True),
    ("1__%", False),
    ("\\", True),
    ("back\\\\slash", False),
    ("john", False),
]


async def test_text_is_a_part_of_bodies_or_error_whatever_its_case(world, subtests) -> None:
    await world.webhook()
    data = '{"name":"Jane Smith","x":"ünïcode","y":"\\u00f1and\\u00fa","z":"100%"}'.encode()
    (answer,) = await world.accept(world.event(data=data))
    await world.settle(answer.leased[0], EXHAUSTED, body=b"<html>Upstream timed out</html>")
    for text, found in TEXTS:
        with subtests.test(text=text):
            assert len(await _log(world, text=text)) == found


async def test_text_is_found_in_url_and_headers_and_however_json_escapes_it(world, subtests):
    await world.webhook(url="https://hooks.example.com/Warehouse")
    data = rb'{"link":"https:\/\/crm.example\/caf\u00e9","said":"a \"quoted\" word"}'
    (answer,) = await world.accept(world.event(data=data))
    attempt = world.settlement(answer.leased[0], EXHAUSTED)
    record = replace(
        attempt.record,
        url="https://hooks.example.com/Warehouse",
        request_head=b"POST /Warehouse HTTP/1.1\r\nX-Trace: req-77\r\n",
        exchange=replace(attempt.record.exchange, response_head=b"Server: Caddy\r\n"),
    )
    await world.storage.settle([replace(attempt, record=record)])
    for text, found in (
        ("example.com/warehouse", True),
        ("REQ-77", True),
        ("server: caddy", True),
        ("https://crm.example/café", True),
        ("//crm.example/CAFÉ", True),
        ('a "quoted" word', True),
        ("nginx", False),
    ):
        with subtests.test(text=text):
            assert len(await _log(world, text=text)) == found


async def test_attempts_are_found_by_trigger_and_by_how_long_they_took(world) -> None:
    webhook = await world.webhook()
    attempts = []
    for ms in (5.0, 2_000.0):
        attempt = world.settlement(await world.leased())
        exchange = replace(attempt.record.exchange, duration_ms=ms)
        attempts.append(replace(attempt, record=replace(attempt.record, exchange=exchange)))
    await world.storage.settle(attempts)
    accepted = await world.storage.send_test(world.event(), webhook.id, LEASE)
    await world.settle(accepted.leased[0])

    assert len(await _log(world, trigger="automatic")) == 2
    assert len(await _log(world, trigger="test")) == 1
    assert [one.duration_ms for one in await _log(world, slower_than=2_000.0)] == [2_000.0]
    assert len(await _log(world, slower_than=5.0, trigger="automatic")) == 2


async def test_attempts_and_deliveries_are_found_by_a_pattern_of_events(world) -> None:
    await world.webhook()
    for name in ("contact.created", "contact.deleted", "contacts.merged", "deal.created"):
        await world.settle(await world.leased(name=name))

    async def names(pattern: str) -> tuple[list[str], list[str]]:
        log = await world.storage.log(LogFilter(organization="org_1", event=pattern))
        query = DeliveryFilter(organization="org_1", event=pattern)
        deliveries = await world.storage.deliveries(query)
        return [one.event for one in log.items], [one.event for one in deliveries.items]

    of_contacts = ["contact.deleted", "contact.created"]
    assert await names("contact.*") == (of_contacts, of_contacts)
    assert await names("contact.created") == (["contact.created"], ["contact.created"])
    for text in ("contact.%.*", "contact", "contact.", "c*", "contact.created.*", "CONTACT.*"):
        expected = [] if text != "c*" else ["contacts.merged", *of_contacts]
        assert await names(text) == (expected, expected), text


async def test_text_may_be_an_id_whole(world) -> None:
    webhook = await world.webhook()
    delivery, _ = await _logged(world, 2)
    (attempt,) = (await world.delivery(delivery)).attempts
    for id_, count in (
        (attempt.id, 1),
        (delivery.id, 1),
        (delivery.event_id, 1),
        (webhook.id, 2),
        (world.ids.new("att"), 0),
    ):
        assert len(await _log(world, text=id_)) == count


async def test_a_search_finds_the_needle_far_back(world) -> None:
    await world.webhook()
    needle = await world.leased(data=b'{"name":"needle"}')
    await world.settle(needle)
    answers = await world.accept(*(world.event() for _ in range(1_200)))
    await world.storage.settle([world.settlement(one.leased[0]) for one in answers])
    page = await world.storage.log(LogFilter(organization="org_1", text="needle"))
    assert [one.delivery_id for one in page.items] == [needle.id]
    assert page.next is None


async def test_an_attempt_is_the_organizations_own(world) -> None:
    await world.webhook()
    (delivery,) = await _logged(world, 1)
    (attempt,) = (await world.delivery(delivery)).attempts
    assert (await world.storage.attempt("org_1", attempt.id)) == attempt
    assert await world.storage.attempt("org_2", attempt.id) is None
    assert await world.storage.attempt("org_1", "att_unknown") is None
    assert await world.storage.delivery("org_2", delivery.id) is None
    assert await world.storage.event("org_2", delivery.event_id) is None


async def test_nothing_is_shown_of_another_organizations_webhook(world, monkeypatch) -> None:
    """Not even, as the place to go on from, the id of one of its attempts."""
    monkeypatch.setattr(log_scan, "MAX_ROWS", 1)
    theirs = await world.webhook(organization="org_2")
    for _ in range(3):
        await world.settle(await world.leased(organization="org_2"))
    page = await world.storage.log(LogFilter(organization="org_1", webhook=theirs.id, limit=1))
    assert (page.items, page.next) == ([], None)


# --- deliveries -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "filters",
    [
        {"text": "x"},
        {"event": "contact.created"},
        {"status": (500, 599)},
        {"outcome": "succeeded"},
        {"outcome": "failed", "webhook": "wh_x"},
    ],
)
async def test_searches_take_turns_and_a_page_does_not(world, monkeypatch, filters) -> None:
    """Given an organization that is searching, then another search of it is asked to come later."""
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    webhook = await world.webhook()
    await _logged(world, 1, EXHAUSTED)
    async with world.storage._searches.slot("org_1"):
        with pytest.raises(Unavailable):
            await _log(world, **filters)
        for quick in ({}, {"webhook": webhook.id}, {"outcome": "failed"}):
            assert len(await _log(world, **quick)) == 1
    await _log(world, **filters)


async def test_searches_of_deliveries_and_replays_take_turns(world, monkeypatch) -> None:
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    await world.webhook()
    await _logged(world, 1, EXHAUSTED)
    replays = ReplayFilter(organization="org_1")
    async with world.storage._searches.slot("org_1"):
        for filters in ({"status": "failed"}, {"event": "contact.created"}, {"webhook": "wh_x"}):
            with pytest.raises(Unavailable):
                await world.storage.deliveries(DeliveryFilter(organization="org_1", **filters))
        with pytest.raises(Unavailable):
            await world.storage.replay_many(replays, dry_run=True)
        page = await world.storage.deliveries(DeliveryFilter(organization="org_1"))
        assert len(page.items) == 1
    assert await world.storage.replay_many(replays, dry_run=True) == 1


READS = {
    "log": lambda storage, org: storage.log(LogFilter(organization=org)),
    "attempt": lambda storage, org: storage.attempt(org, f"att_{'0' * 26}"),
    "deliveries": lambda storage, org: storage.deliveries(DeliveryFilter(organization=org)),
    "delivery": lambda storage, org: storage.delivery(org, f"dlv_{'0' * 30}"),
    "event": lambda storage, org: storage.event(org, f"evt_{'0' * 26}"),
    "health": lambda storage, org: storage.health(org, 0),
    "traffic": lambda storage, org: storage.traffic(
        TrafficQuery(
            organization=org, webhook="wh_1", since=0, step_ms=300_000, intervals=1, sampled=1
        )
    ),
    "states": lambda storage, org: storage.webhook_states(org),
    "cancelled": lambda storage, org: storage.cancelled(org, "wh_1"),
    "webhooks": lambda storage, org: storage.webhooks(org),
    "webhook": lambda storage, org: storage.webhook(org, "wh_1"),
}


async def test_what_an_organization_reads_takes_turns_and_others_read_on(
    world, monkeypatch
) -> None:
    """Given an organization that has its share of reads, the next one waits, and no other."""
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    storage = world.storage
    monkeypatch.setattr(storage, "_reads", fair_semaphore.FairSemaphore(2))
    async with storage._reads.slot("org_1"):
        for read in READS.values():
            with pytest.raises(Unavailable):
                await read(storage, "org_1")
            await read(storage, "org_2")
    for read in READS.values():
        await read(storage, "org_1")


async def test_the_road_and_sign_in_wait_for_no_page(world, monkeypatch) -> None:
    """Given that all slots to read are taken, what deliveries and sign-in need is still read."""
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    storage = world.storage
    monkeypatch.setattr(storage, "_reads", fair_semaphore.FairSemaphore(1))
    async with storage._reads.slot("org_2"):
        assert await storage.targets([]) == []
        assert await storage.session(b"s" * 32) is None
        assert await storage.link(b"l" * 32) is None
        assert await storage.key_by_hash(b"k" * 32) is None
        await storage.changed_webhooks(0)

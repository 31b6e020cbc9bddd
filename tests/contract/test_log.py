"""Storage.log and attempt: pages, filters and searches."""

from msgspec.structs import replace

from winnerr_webhooks.domain.delivery import EXHAUSTED, RETRY, SUCCESS
from winnerr_webhooks.storage import log_scan
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.values import DeliveryFilter, LogFilter

LEASE = LeaseTerms(seconds=60)


async def _log(world, **fields):
    return (await world.storage.log(LogFilter(**({"organization": "org_1"} | fields)))).items


async def test_the_log_is_newest_first_and_pages_without_gaps(world) -> None:
    await world.webhook()
    made = await world.logged(7)
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
    await world.logged(3)
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
    await world.logged(2)
    middle = world.clock.ms
    await world.logged(1, EXHAUSTED, status=404)
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
    delivery, _ = await world.logged(2)
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
    (delivery,) = await world.logged(1)
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

"""The page of one event: its payload, deliveries, attempts and replays, and who links to it."""

from winnerr_webhooks.domain.activity import DELIVERY_REPLAYED, DELIVERY_SKIPPED
from winnerr_webhooks.domain.event import NewEvent
from winnerr_webhooks.management.webhook_drafts import RateLimitDraft
from winnerr_webhooks.management.webhook_management import WebhookPatch
from winnerr_webhooks.settings_page.formatting import short_id
from winnerr_webhooks.storage.activity_port import ActivityFilter
from winnerr_webhooks.storage.values import DeliveryFilter


async def made(site, *statuses, data=b'{"id":"c1","name":"Jane"}'):
    """An event with a webhook for each status, settled so; returns (event id, deliveries)."""
    for number, _ in enumerate(statuses):
        await site.webhook(url=f"http://127.0.0.1:9/hook{number}")
    deliveries = await site.event(data=data)
    deliveries.sort(key=lambda one: one.id)
    for delivery, status in zip(deliveries, statuses, strict=True):
        await site.settle(delivery, status, happened="success" if status == 200 else "failed")
    return deliveries[0].event_id, deliveries


async def test_an_event_shows_its_payload_and_every_delivery_with_its_attempts(site, admin):
    event, deliveries = await made(site, 200, 503)

    page = await admin.get(f"/events/{event}")

    assert page.status == 200
    assert "contact.created" in page.text
    assert "2 deliveries 1 delivered" in page.text
    assert '"name": "Jane"' in page.text
    for number, status in enumerate((200, 503)):
        assert f"127.0.0.1:9/hook{number}" in page.text
        assert f"{status}" in page.text
    assert len(page.all("a", href=f"/settings/webhooks/{deliveries[0].webhook_id}")) == 1
    assert page.text.index("Failed") < page.text.index("Delivered")


async def test_log_attempt_activity_and_search_lead_to_it(site, admin):
    event, _ = await made(site, 503)
    path = f"/settings/webhooks/events/{event}"

    log = await admin.get("/logs")
    attempt = next(a["href"] for a in log.all("a") if "/logs/att_" in a.get("href", ""))

    assert log.all("a", href=path)
    assert (await admin.get(attempt)).all("a", href=path)
    searched = await admin.get(f"/logs?q={event.upper()}")
    assert "Open the event with all its deliveries" in searched.text
    assert len(searched.all("a", href=path)) == 2


async def test_one_delivery_is_replayed(site, admin):
    event, deliveries = await made(site, 503, 503)

    page = await admin.post(f"/events/{event}/replay", {"delivery": deliveries[1].id})

    assert "Replay requested for 1 delivery." in page.text
    query = ActivityFilter(organization="org_1", action=DELIVERY_REPLAYED)
    entries = (await site.storage.activity(query)).items
    assert [one.subject for one in entries] == [deliveries[1].id]
    pending = await site.storage.delivery("org_1", deliveries[1].id)
    assert pending.next_attempt_at is not None


async def test_what_was_not_delivered_is_replayed_or_all_of_it(site, admin):
    event, _ = await made(site, 200, 503, 503)
    page = await admin.get(f"/events/{event}")
    assert page.has_button("Replay all 2 unsuccessful deliveries")
    assert "3 webhooks get this event once more. 1 of them has it already." in page.text

    some = await admin.post(f"/events/{event}/replay", {"which": "undelivered"})
    assert "Replay requested for 2 deliveries." in some.text
    everything = await admin.post(f"/events/{event}/replay", {"which": "all"})
    assert "Replay requested for 3 deliveries." in everything.text


async def test_what_waits_in_an_order_names_the_event_it_waits_for_and_has_it_skipped(site, admin):
    await site.webhook(ordered=True)
    for _ in range(2):
        assert await site.event() == []
    claimed = await site.claim()
    first, second = [one.event_id for one in claimed]
    await site.settle(claimed[0], 503, happened="retry")
    await site.storage.release(claimed[1:])

    page = await admin.get(f"/events/{second}")
    assert "waits for" in page.text
    assert page.all("a", href=f"/settings/webhooks/events/{first}#{claimed[0].id}")
    assert page.has_button(f"Skip {short_id(first)}")
    assert (await admin.get(f"/events/{first}")).has_button("Skip this one")
    done = await admin.post(f"/events/{second}/skip", {"delivery": claimed[0].id})
    assert "waits for" not in done.text
    assert (await site.storage.delivery("org_1", claimed[0].id)).status == "cancelled"
    entries = (await site.storage.activity(ActivityFilter(organization="org_1"))).items
    assert entries[0].action == DELIVERY_SKIPPED

    refused = await admin.post(f"/events/{second}/skip", {"delivery": claimed[0].id})
    assert refused.status == 409
    assert "The delivery has ended: there is nothing to skip." in refused.text


async def test_what_waits_for_its_turn_says_at_about_what_time_that_is(site, admin):
    await site.webhook(rate_limit=RateLimitDraft(per_second=0.1))
    for _ in range(2):
        assert await site.event() == []
    (first,) = await site.claim()
    page = await site.storage.deliveries(DeliveryFilter(organization="org_1"))
    (second,) = [one.event_id for one in page.items if one.id != first.id]
    assert "its turn is at about" in (await admin.get(f"/events/{second}")).text


async def test_a_webhook_that_is_not_active_is_left_out_and_said_so(site, admin):
    event, deliveries = await made(site, 503, 503)
    patch = WebhookPatch(status="paused")
    await site.page.webhooks.change("org_1", deliveries[0].webhook_id, patch)
    assert "Paused" in (await admin.get(f"/events/{event}")).text

    page = await admin.post(f"/events/{event}/replay", {"which": "all"})

    assert "Replay requested for 1 delivery." in page.text
    assert "1 delivery was left out" in page.text


async def test_a_viewer_sees_it_and_cannot_replay(site, viewer):
    event, _ = await made(site, 503)

    page = await viewer.get(f"/events/{event}")

    assert page.status == 200
    assert not any("replay" in form.get("action", "") for form in page.all("form"))
    answer = await viewer.post(f"/events/{event}/replay", {"which": "all"})
    assert answer.status == 403


async def test_an_event_that_no_webhook_wanted_says_so(site, admin):
    new = NewEvent(
        id=site.page.ids.new("evt"),
        organization="org_1",
        name="contact.created",
        body=b'{"event":"contact.created"}',
    )
    await site.storage.accept([new], None)

    page = await admin.get(f"/events/{new.id}")

    assert "None: no webhook subscribed to this event when it was accepted." in page.text
    assert not page.has_button("Replay")


async def test_an_unknown_event_or_another_organizations_is_not_there(site, admin):
    event, _ = await made(site, 200)
    other = await site.browser().sign_in(organization="org_2")

    assert (await other.get(f"/events/{event}")).status == 404
    assert (await admin.get("/events/evt_1")).status == 404
    assert (await admin.get("/events/evt_01kan5f8qh00000010qvm7rkz2")).status == 404

"""What the buttons of a webhook do: test events, pause, resume and delete."""

from tests.unit.settings_page.webhook_form_fields import only_webhook


async def test_the_page_follows_a_test_event_until_its_result(site, admin):
    webhook = await site.webhook()
    page = await admin.post(f"/{webhook.id}/test", {"event": "deal.closed_won"})
    assert "Test event on its way" in page.text
    assert page.all("section", id="test")[0]["data-refresh"] == "1"
    (delivery,) = site.node.tests
    assert delivery.event == "deal.closed_won"

    await site.settle(delivery, 503, happened="exhausted")
    page = await admin.get(page.url.partition("/settings/webhooks")[2])
    assert "Test event failed" in page.text
    assert "See what is wrong" in page.text


async def test_resuming_offers_to_send_the_missed_events(site, admin):
    webhook = await site.webhook()
    page = await admin.post(f"/{webhook.id}/pause")
    assert "Paused" in page.text
    assert page.has_button("Resume")
    assert "you missed" not in page.text
    for _ in range(3):
        await site.event()
    assert "Send the 3 events you missed" in (await admin.get(f"/{webhook.id}")).text

    page = await admin.post(f"/{webhook.id}/resume", {"missed": "1"})
    assert "are being sent now" in page.text
    assert (await only_webhook(site)).status == "active"
    assert await site.storage.run_job_slice()


async def test_a_disabled_webhook_says_why_and_can_be_enabled_again(site, admin):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    gone = site.settlement(delivery, 410, happened="exhausted")
    verdict = type(gone.verdict)(happened="exhausted", disable="It answered 410 Gone.")
    await site.storage.settle([type(gone)(delivery=delivery, record=gone.record, verdict=verdict)])

    listed = await admin.get()
    assert "Disabled" in listed.text
    assert "It answered 410 Gone." in listed.text
    page = await admin.get(f"/{webhook.id}")
    assert page.has_button("Re-enable")
    assert page.has_button("Send test event")


async def test_deleting_shows_first_how_many_waiting_deliveries_are_cancelled(site, admin):
    webhook = await site.webhook()
    await site.event()
    await site.event()
    page = await admin.get(f"/{webhook.id}/delete")
    assert "2 waiting deliveries" in page.text
    assert page.has_button("Delete")
    page = await admin.post(f"/{webhook.id}/delete")
    assert "Its attempts stay in the log" in page.text
    assert (await admin.get(f"/{webhook.id}")).status == 404


async def test_deleting_shows_first_how_many_missed_deliveries_are_lost(site, admin):
    webhook = await site.webhook()
    nothing = await admin.get(f"/{webhook.id}/delete")
    await admin.post(f"/{webhook.id}/pause")
    for _ in range(2):
        await site.event()
    page = await admin.get(f"/{webhook.id}/delete")
    assert "none is lost" in nothing.text
    assert "2 missed deliveries" in page.text
    assert "can no longer be sent" in page.text
    assert "none is lost" not in page.text

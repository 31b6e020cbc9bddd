"""Replay all failed: what it counts, what it replays, and its progress."""

import pytest


async def test_replay_all_failed_follows_the_filters_of_attempts(site, admin):
    """Given failures of several kinds, only those that the log shows are replayed."""
    await site.webhook()
    made = {}
    words = ((503, "plum"), (401, "pear-1"), (401, "pear-2"), (401, "fig-1"), (200, "fig-2"))
    for status, word in words:
        (delivery,) = await site.event(data=b'{"word":"%s"}' % word.encode())
        happened = "success" if status == 200 else "exhausted"
        await site.settle(delivery, status, happened=happened)
        made[word] = delivery.id
    for query, shown in (
        ("status=401&q=pear-", {"pear-1", "pear-2"}),
        ("status=4xx&q=fig-", {"fig-1"}),
        ("outcome=failed&status=503", {"plum"}),
    ):
        log = await admin.get(f"/logs?{query}")
        (link,) = [a["href"] for a in log.all("a") if "/logs/replay" in a.get("href", "")]
        page = await admin.get(link)
        count = f"{len(shown)} failed " + ("delivery" if len(shown) == 1 else "deliveries")
        assert count in page.text
        before = site.node.due
        page = await admin.post("/logs/replay", {"filters": f"?{query}"})
        assert f"Replay requested for {len(shown)} deliver" in page.text
        assert site.node.due == before + len(shown)
        replayed = {one.id for one in await site.claim()}
        assert replayed == {made[word] for word in shown}


@pytest.mark.parametrize("query", ["outcome=succeeded", "q=nothing-has-this", "slower=100"])
async def test_without_a_failed_delivery_in_the_log_there_is_nothing_to_replay(site, admin, query):
    await site.webhook()
    await site.settle((await site.event())[0], 200)
    await site.settle((await site.event())[0], 503, happened="exhausted")
    page = await admin.get(f"/logs/replay?event=contact.created&{query}")
    assert "Nothing to replay." in page.text
    (without,) = [a["href"] for a in page.all("a") if "/logs/replay" in a.get("href", "")]
    assert (await admin.get(without)).has_button("Replay 1 delivery")


async def test_a_replay_of_what_the_log_shows_leaves_out_stopped_webhooks_and_tests(site, admin):
    webhook = await site.webhook()
    other = await site.webhook()
    for delivery in await site.event():
        await site.settle(delivery, 503, happened="exhausted")
    await admin.post(f"/{webhook.id}/test")
    await site.settle(site.node.tests[0], 503, happened="exhausted")
    assert "2 failed deliveries" in (await admin.get("/logs/replay?status=503")).text
    assert "1 failed delivery" in (await admin.get("/logs/replay?status=503&trigger=test")).text
    await admin.post(f"/{other.id}/pause")
    assert "1 failed delivery" in (await admin.get("/logs/replay?status=503")).text


async def test_more_deliveries_than_are_replayed_at_once_are_named_as_the_newest(
    site, admin, monkeypatch
):
    monkeypatch.setattr("winnerr_webhooks.settings_page.replay_selection.MOST_SELECTED", 2)
    await site.webhook()
    for _event in range(3):
        await site.settle((await site.event())[0], 503, happened="exhausted")
    page = await admin.get("/logs/replay?status=503")
    assert "2 failed deliveries" in page.text
    assert "These are the newest ones." in page.text
    page = await admin.post("/logs/replay", {"filters": "?status=503"})
    assert "Replay requested for 2 deliveries." in page.text


async def test_replay_all_failed_of_a_deleted_webhook_stays_with_it(site, admin):
    webhook = await site.webhook()
    await admin.post(f"/{webhook.id}/delete")
    page = await admin.get(f"/logs/replay?webhook={webhook.id}")
    chosen = page.all("option", value=webhook.id)
    assert "selected" in chosen[0]


async def test_replay_all_failed_counts_first_and_then_shows_progress(site, admin):
    await site.webhook()
    for _ in range(3):
        await site.settle((await site.event())[0], 503, happened="exhausted")
    page = await admin.get("/logs/replay?event=contact.*")
    assert "3 failed deliveries" in page.text
    assert page.has_button("Replay 3 deliveries")
    assert "Nothing to replay" in (await admin.get("/logs/replay?event=deal.created")).text

    page = await admin.post("/logs/replay", {"filters": "?event=contact.*"})
    assert "0 of 3 done" in page.text
    assert "to come 3 delivered 0 failed again 0 not sent 0" in page.text
    assert page.all("progress", max="3", value="0")
    assert site.node.due == 1


async def test_the_progress_tells_what_waits_from_what_failed_again(site, admin):
    await site.webhook()
    for _ in range(3):
        await site.settle((await site.event())[0], 503, happened="exhausted")
    progress = (await admin.post("/logs/replay", {"filters": ""})).url
    while await site.storage.run_job_slice():
        pass
    claimed = await site.claim()
    await site.settle(claimed[0], 200)
    await site.settle(claimed[1], 503, happened="exhausted")
    page = await admin.get(progress.partition("/settings/webhooks")[2])
    assert "to come 1 delivered 1 failed again 1 not sent 0" in page.text
    assert page.all("section", id="progress", **{"data-refresh": "1"})
    await site.settle(claimed[2], 503, happened="exhausted")
    page = await admin.get(progress.partition("/settings/webhooks")[2])
    assert "to come 0 delivered 1 failed again 2 not sent 0" in page.text
    assert page.all("section", id="progress", **{"data-refresh": ""})


@pytest.mark.parametrize("stop", ["pause", "delete"])
async def test_a_bulk_replay_whose_webhook_is_stopped_does_not_count_as_delivered(
    site, admin, stop
):
    webhook = await site.webhook()
    late, *_ = await site.event()
    for _ in range(2):
        await site.settle((await site.event())[0], 503, happened="exhausted")
    progress = (await admin.post("/logs/replay", {"filters": ""})).url
    await site.settle(late, 503, happened="exhausted")
    await admin.post(f"/{webhook.id}/{stop}")
    while await site.storage.run_job_slice():
        pass
    page = await admin.get(progress.partition("/settings/webhooks")[2])
    assert "to come 0 delivered 0 failed again 0 not sent 2" in page.text


async def test_a_bulk_replay_ignores_deliveries_that_failed_after_its_start(site, admin):
    await site.webhook()
    late, *_ = await site.event()
    delivery, *_ = await site.event()
    await site.settle(delivery, 503, happened="exhausted")
    progress = (await admin.post("/logs/replay", {"filters": ""})).url
    await site.settle(delivery, 200)
    await site.settle(late, 503, happened="exhausted")
    page = await admin.get(progress.partition("/settings/webhooks")[2])
    assert "to come 0 delivered 1 failed again 0 not sent 0" in page.text

"""Recover missed events: the page that counts them, and the page of the job, without JavaScript."""

import pytest


async def _missed(site, count: int = 3, **fields):
    webhook = await site.webhook(**fields)
    for _ in range(count):
        await site.settle((await site.event())[0], 503, happened="exhausted")
    return webhook


async def _finish_jobs(site) -> None:
    while await site.storage.run_job_slice():
        pass


async def test_a_recovery_counts_first_and_then_shows_its_progress(site, admin):
    webhook = await _missed(site)
    await site.settle((await site.event())[0], 200, happened="success")
    page = await admin.get(f"/{webhook.id}")
    assert page.all("a", href=f"/settings/webhooks/{webhook.id}/recover")
    page = await admin.get(f"/{webhook.id}/recover?time=24h")
    assert "did not arrive 3" in page.text
    assert "arrived already 1" in page.text
    assert "expected time less than a minute" in page.text
    assert page.has_button("Recover 3 deliveries")
    since = page.all("input", name="since", type="hidden")[0]["value"]
    page = await admin.post(f"/{webhook.id}/recover", {"since": since})
    assert "/jobs/job_" in page.url
    assert "to come 3 delivered 0 failed again 0 not sent 0" in page.text
    assert page.all("section", id="progress", **{"data-refresh": "1"})
    assert site.node.due == 1
    await _finish_jobs(site)
    path = page.url.partition("/settings/webhooks")[2]
    assert "to come 3" in (await admin.get(path)).text
    page = await admin.get(f"/{webhook.id}/deliveries")
    assert "3 to come, 0 delivered, 0 failed again, 0 not sent" in page.text


async def test_a_failing_webhook_is_recovered_since_it_began_to_fail(site, admin):
    webhook = await _missed(site)
    page = await admin.get(f"/{webhook.id}/recover")
    assert page.all("input", name="since")[0]["value"].endswith("Z")
    assert "did not arrive 3" in page.text
    assert "expected time unknown" in page.text
    assert "has not answered lately" in page.text


async def test_stopping_a_recovery_says_how_many_were_not_sent(site, admin):
    webhook = await _missed(site)
    page = await admin.post(f"/{webhook.id}/recover", {"since": "2020-01-01T00:00"})
    path = page.url.partition("/settings/webhooks")[2]
    assert page.has_button("Stop sending")
    activity = await admin.get("/activity")
    assert "Started a recovery · 3 deliveries · since 1 Jan 2020, 00:00" in activity.text
    await admin.post(f"{path}/cancel")
    await _finish_jobs(site)
    page = await admin.get(path)
    assert "Cancelled." in page.text
    assert "3 not sent because the recovery was cancelled." in page.text
    assert not page.has_button("Stop sending")


async def test_resuming_with_the_missed_events_is_listed_as_a_recovery(site, admin):
    webhook = await site.webhook()
    await admin.post(f"/{webhook.id}/pause")
    await site.event()
    await admin.post(f"/{webhook.id}/resume", {"missed": "1"})
    await _finish_jobs(site)
    page = await admin.get(f"/{webhook.id}/deliveries")
    assert "1 to come, 0 delivered" in page.text
    link = next(a["href"] for a in page.all("a") if "/jobs/" in a.get("href", ""))
    assert "all cancelled deliveries" in (await admin.get(link)).text


@pytest.mark.parametrize("since", ["tomorrow", "2999-01-01T00:00", "  nonsense<b>"])
async def test_a_wrong_time_is_named_beside_its_field(site, admin, since):
    webhook = await _missed(site, 1)
    page = await admin.get(f"/{webhook.id}/recover", params={"since": since})
    assert "Enter a time in the past" in page.text
    assert page.all("input", id="since", **{"aria-invalid": "true"})
    assert "<b>" not in page.html.partition("<main")[2].partition("did not arrive")[0]


async def test_a_paused_webhook_is_resumed_first(site, admin):
    webhook = await _missed(site, 1)
    await admin.post(f"/{webhook.id}/pause")
    page = await admin.get(f"/{webhook.id}/recover")
    assert "Resume it first, then recover" in page.text
    page = await admin.post(f"/{webhook.id}/recover", {"since": "2020-01-01T00:00"})
    assert page.status == 409


async def test_nothing_missed_says_so(site, admin):
    webhook = await site.webhook()
    assert "Nothing to recover." in (await admin.get(f"/{webhook.id}/recover")).text
    page = await admin.post(f"/{webhook.id}/recover", {"since": "2020-01-01T00:00"})
    assert "Nothing to recover." in page.text


async def test_a_viewer_sees_a_jobs_progress_and_may_not_change_it(site, admin, viewer):
    webhook = await _missed(site, 1)
    page = await admin.post(f"/{webhook.id}/recover", {"since": "2020-01-01T00:00"})
    path = page.url.partition("/settings/webhooks")[2]
    seen = await viewer.get(path)
    assert "to come 1" in seen.text
    assert not seen.has_button("Stop sending")
    assert (await viewer.get(f"/{webhook.id}/recover")).status == 403
    csrf = (await admin.get(path)).csrf
    assert (await viewer.post(f"{path}/cancel", csrf=csrf)).status == 403
    assert (await admin.post(f"{path}/cancel", csrf="wrong")).status == 403


async def test_an_unknown_job_is_a_404_page(admin):
    for path in ("/jobs/nonsense", "/jobs/job_" + "0" * 26):
        assert (await admin.get(path)).status == 404

"""The log as a file: what the filters show, in cells that no spreadsheet takes for a formula."""

import csv
import io
import json

from winnerr_webhooks.settings_page import log_export
from winnerr_webhooks.settings_page.log_export import csv_line


async def rows(browser, query=""):
    page = await browser.get(f"/logs/export?format=csv{query}")
    assert page.status == 200
    return list(csv.DictReader(io.StringIO(page.html)))


async def test_both_files_have_every_attempt_that_the_filters_show(site, viewer):
    webhook = await site.webhook(name="Warehouse")
    for status in (200, 503, 503):
        (delivery,) = await site.event()
        await site.settle(delivery, status, happened="success" if status == 200 else "failed")

    found = await rows(viewer, "&outcome=failed")
    assert [one["status"] for one in found] == ["503", "503"]
    assert found[0]["webhookName"] == "Warehouse"
    assert found[0]["webhookId"] == webhook.id
    assert found[0]["startedAt"].endswith("Z")
    page = await viewer.get("/logs/export?format=ndjson")
    lines = [json.loads(line) for line in page.html.splitlines()]
    assert [line["status"] for line in lines] == [503, 503, 200]
    assert lines[0].keys() == found[0].keys()
    assert page.headers["content-type"] == "application/x-ndjson"
    assert "attempts-" in page.headers["content-disposition"]
    assert len((await viewer.get("/logs")).all("a", download="")) == 2


async def test_an_error_message_of_a_receiver_is_no_formula(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    await site.settle(delivery, None, happened="failed", message='=HYPERLINK("http://evil")')

    (found,) = await rows(admin)

    assert found["errorMessage"] == '\'=HYPERLINK("http://evil")'


def test_cells_that_begin_like_a_formula_get_an_apostrophe_and_others_stay():
    line = csv_line(["=1", "+1", "-1", "@x", "\tx", "a=1", -1.5, None, 'x"y', "a\nb"])
    (cells,) = csv.reader(io.StringIO(line, newline=""))
    assert cells == ["'=1", "'+1", "'-1", "'@x", "'\tx", "a=1", "-1.5", "", 'x"y', "a\nb"]


async def test_a_file_goes_over_several_reads_and_ends_at_its_limit(site, admin, monkeypatch):
    monkeypatch.setattr(log_export, "_PART", 2)
    monkeypatch.setattr(log_export, "MOST_EXPORTED", 5)
    await site.webhook()
    for _ in range(7):
        (delivery,) = await site.event()
        await site.settle(delivery)

    found = await rows(admin)

    ids = [one["id"] for one in found]
    assert len(set(ids)) == 5
    assert ids == sorted(ids, reverse=True)


async def test_an_invalid_filter_gives_no_file(admin):
    page = await admin.get("/logs/export?format=csv&since=yesterday")
    assert page.status == 422
    assert "id" not in page.html.split(",")


async def test_triggers_and_durations_narrow_the_log(site, admin):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    await site.settle(delivery, duration_ms=2_500.0)
    await admin.post(f"/{webhook.id}/test", {"event": "deal.created"})
    await site.settle(site.node.tests[0], duration_ms=20.0)

    assert [one["trigger"] for one in await rows(admin, "&trigger=test")] == ["test"]
    assert [one["durationMs"] for one in await rows(admin, "&slower=2")] == ["2500.0"]
    page = await admin.get("/logs?slower=0.01&trigger=automatic")
    assert len(page.all("tr")) == 2
    assert page.all("details", open="")
    wrong = await admin.get("/logs?slower=fast&trigger=boredom")
    assert "Enter seconds such as 2 or 0.5." in wrong.text

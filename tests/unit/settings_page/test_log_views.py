"""The Logs tab without JavaScript: filters, the page of an attempt, replays and the live log."""

import asyncio
import re

import msgspec
import pytest

from winnerr_webhooks.domain.attempt import Failure

SCRIPT = b"<script>alert(document.cookie)</script><img src=x onerror=alert(1)>"


def rows(page):
    return [row["id"] for row in page.all("tr") if row.get("id", "").startswith("att_")]


async def test_an_empty_log_says_what_to_do_next(site, admin):
    assert "There are no webhooks yet" in (await admin.get("/logs")).text
    await site.webhook()
    page = await admin.get("/logs")
    assert "send a test event" in page.text
    assert "No matching attempts" in (await admin.get("/logs?status=404")).text


async def test_attempts_are_rows_of_a_table_newest_first(site, admin):
    await site.webhook()
    made = [await site.settle((await site.event())[0], status) for status in (200, 503)]
    page = await admin.get("/logs")
    assert rows(page) == made[::-1]
    assert [th["scope"] for th in page.all("th")] == ["col"] * 7
    assert "503 Made Up" in page.text
    assert "1 of 4" in page.text
    assert re.search(r"retry in (1 min|\d\d s)", page.text)
    (time, *_) = page.all("time", **{"data-show": "clock"})
    assert time["datetime"].endswith("Z")
    assert "UTC" in time["title"]


async def test_filters_are_read_from_the_url_and_shown_in_the_form(site, admin):
    webhook = await site.webhook()
    bad = await site.settle((await site.event("deal.created"))[0], 503, body=b"upstream NEEDLE")
    good = await site.settle((await site.event("contact.created"))[0], 200)
    for query, wanted in (
        ("outcome=failed", [bad]),
        ("outcome=succeeded", [good]),
        ("event=deal.created", [bad]),
        ("event=deal.*", [bad]),
        ("status=5xx", [bad]),
        ("status=200", [good]),
        ("q=needle", [bad]),
        (f"webhook={webhook.id}&time=1h", [good, bad]),
        ("since=2000-01-01T00:00", [good, bad]),
        ("until=2000-01-01T00:00", []),
    ):
        assert rows(await admin.get(f"/logs?{query}")) == wanted, query
    page = await admin.get("/logs?event=deal.created&q=needle")
    assert page.all("input", name="q")[0]["value"] == "needle"
    chosen = re.findall(r"<option[^>]* selected>([^<]+)", page.html)
    assert chosen == ["deal.created"]


async def test_an_invalid_filter_has_an_error_at_its_field(site, admin):
    await site.webhook()
    page = await admin.get("/logs?status=abc&event=deal.craeted&since=yesterday")
    assert page.status == 422
    assert "Did you mean deal.created" in page.text
    assert page.all("input", name="status")[0]["aria-describedby"] == "f-status-error"
    assert page.all("input", name="since")[0]["aria-invalid"] == "true"


@pytest.mark.parametrize(
    "query",
    ["status=abc", "event=deal.craeted", "since=yesterday", "until=x", "outcome=x", "time=2w",
     "before=x", "q=" + "x" * 201],
)  # fmt: skip
async def test_an_invalid_filter_never_means_all(site, admin, query):
    await site.webhook()
    await site.settle((await site.event())[0], 503, happened="exhausted")
    page = await admin.get(f"/logs?{query}")
    assert page.status == 422
    assert rows(page) == []
    assert "Nothing was searched" in page.text
    assert page.all("div", id="attempts", **{"data-not-live": ""})
    assert (await admin.get(f"/logs/stream?{query}")).status == 422
    page = await admin.get(f"/logs/replay?{query}")
    assert page.status == 422
    assert "Nothing was counted" in page.text
    page = await admin.post("/logs/replay", {"filters": f"?{query}"})
    assert "Nothing was counted" in page.text
    assert site.node.due == 0


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


async def test_an_address_to_share_has_no_empty_parameters(site, admin):
    webhook = await site.webhook()
    page = await admin.get("/logs?webhook=&event=&outcome=failed&status=&time=&q=a%3D&until=")
    assert page.url.endswith("/logs?outcome=failed&q=a%3D")
    assert (await admin.get("/logs?webhook=&event=")).url.endswith("/logs")
    assert (await admin.get(f"/{webhook.id}/recover?time=7d&since=")).url.endswith("?time=7d")
    page = await admin.get("/@org_1/logs?q=&outcome=failed")
    assert page.url.endswith("/@org_1/logs?outcome=failed")
    assert page.headers["content-security-policy"]


async def test_an_attempt_shows_request_response_phases_and_what_to_do(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)
    page = await admin.get(f"/logs/{attempt}")
    assert "503 Made Up" in page.text
    assert "What to do:" in page.text
    assert "We try again at" in page.text
    assert '"name" : "Jane"' in page.text
    assert '"name":"Jane"' in page.text
    assert "X-Winnerr-Attempt" in page.text
    assert "curl --globoff --path-as-is http://127.0.0.1:9/hook" in page.text
    (picture,) = [svg for svg in page.all("svg") if svg.get("class") == "timeline"]
    assert "waiting 80 ms" in picture["aria-label"]
    assert page.has_button("Replay")
    assert "None. No other webhook subscribes to this event." in page.text


async def test_an_attempt_shows_what_happens_next(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503, retry_in=0.0)
    page = await admin.get(f"/logs/{attempt}")
    assert "waiting its turn" in page.text
    assert "We try again at" not in page.text

    attempt = await site.settle((await site.event())[0], 503, happened="exhausted")
    assert "No further attempt is planned" in (await admin.get(f"/logs/{attempt}")).text
    page = await admin.post(f"/logs/{attempt}/replay", {})
    assert "A replay is on its way" in page.text
    assert "No further attempt is planned" not in page.text


async def test_a_hostile_response_is_shown_as_text_only(site, admin):
    await site.webhook()
    (delivery,) = await site.event(data=b'{"x":"</pre><script>alert(2)</script>"}')
    attempt = await site.settle(
        delivery,
        503,
        body=SCRIPT + b"\x00\x1b[2J\xff" + "\u202e".encode(),
        response_head=b"content-type: text/html\r\nx-evil: <script>alert(3)</script>\r\n",
        message="503 <script>alert(4)</script>",
    )
    pages = ["/logs", f"/logs/{attempt}", "", "/logs?q=<script>alert(5)</script>"]
    for path in pages:
        page = await admin.get(path)
        scripts = page.all("script")
        assert scripts
        assert all("/settings/webhooks/static/" in one.get("src", "") for one in scripts), path
        assert not page.all("img")
    page = await admin.get(f"/logs/{attempt}")
    assert "<script>alert(document.cookie)</script>" in page.text
    assert [one["data-code"] for one in page.all("span", **{"class": "code-point"})] == [
        "U+0000", "U+001B", "U+202E",
    ]  # fmt: skip


async def test_an_attempt_without_a_response_shows_the_reason(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    failure = Failure(kind="timeout", message="No answer within 10 s.", phase="wait")
    attempt = await site.settle(
        delivery, None, kind="timeout", message=failure.message, failure=failure
    )
    assert "Timed out" in (await admin.get("/logs")).text
    page = await admin.get(f"/logs/{attempt}")
    assert "No response. No answer within 10 s." in page.text


async def test_an_attempt_links_all_attempts_of_its_delivery_and_other_deliveries(site, admin):
    await site.webhook()
    await site.webhook(url="http://127.0.0.1:9/other")
    delivery, other = await site.event()
    first = await site.settle(delivery, 503)
    again = msgspec.structs.replace(delivery, attempt=2, lease=delivery.lease)
    second = await site.settle(again, 200)
    await site.settle(other, 200)
    page = await admin.get(f"/logs/{first}")
    assert "A later attempt delivered it." in page.text
    for attempt in (first, second):
        assert page.all("a", href=f"/settings/webhooks/logs/{attempt}")
    assert "Delivered 127.0.0.1:9/other" in page.text.replace("http://", "")


async def test_an_attempt_recorded_while_the_page_is_read_is_shown_with_its_effect(
    site, admin, monkeypatch
):
    await site.webhook()
    (delivery,) = await site.event()
    first = await site.settle(delivery, 503)
    again = msgspec.structs.replace(delivery, attempt=2)
    read = site.storage.attempt

    async def read_just_before_the_next_one(organization, attempt_id):
        found = await read(organization, attempt_id)
        await site.settle(again, 200)
        return found

    monkeypatch.setattr(site.storage, "attempt", read_just_before_the_next_one)
    page = await admin.get(f"/logs/{first}")
    assert page.all("article", **{"data-last-attempt": "2"})
    assert "A later attempt delivered it." in page.text


async def test_the_log_of_a_deleted_webhook_is_still_shown(site, admin):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503, happened="exhausted")
    await admin.post(f"/{webhook.id}/delete")
    page = await admin.get("/logs")
    assert rows(page) == [attempt]
    assert "deleted" in page.text
    assert not page.has_button("Replay")
    page = await admin.get(f"/logs/{attempt}")
    assert "its webhook was deleted" in page.text
    assert (await admin.post(f"/logs/{attempt}/replay")).status == 409


async def test_a_replay_from_a_row_keeps_the_filters(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503, happened="exhausted")
    page = await admin.get("/logs?outcome=failed")
    assert page.all("button", formaction=f"/settings/webhooks/logs/{attempt}/replay")
    page = await admin.post(f"/logs/{attempt}/replay", {"back": "?outcome=failed"})
    assert page.url.endswith("/logs?outcome=failed&done=replayed")
    assert "Replay requested" in page.text
    assert site.node.due == 1
    page = await admin.post(f"/logs/{attempt}/replay")
    assert page.url.endswith(f"/logs/{attempt}?done=replayed&before=1")
    assert page.all("p", **{"id": "replayed", "data-refresh": "1"})


async def test_what_arrived_in_the_meantime_is_not_replayed_without_a_question(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)
    await site.settle(msgspec.structs.replace(delivery, attempt=2), 200)
    page = await admin.post(f"/logs/{attempt}/replay", {"back": ""})
    assert page.url.endswith(f"/logs/{attempt}/replay")
    assert "It was delivered already." in page.text
    assert site.node.due == 0
    page = await admin.post(f"/logs/{attempt}/replay", {"confirmed": "1"})
    assert "Replay requested" in page.text
    assert site.node.due == 1


async def test_an_unknown_attempt_is_a_404_page_with_a_link(admin):
    for path in ("/logs/att_nothing", "/logs/att_" + "0" * 26, "/nothing/at/all"):
        page = await admin.get(path)
        assert page.status == 404
        assert page.all("a", href="/settings/webhooks")


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


async def test_the_live_log_sends_new_attempts_and_none_twice(site, admin):
    await site.webhook()
    old = await site.settle((await site.event())[0], 200)
    async with (
        asyncio.timeout(60),
        admin.session.get(f"/settings/webhooks/logs/stream?after={old}") as answer,
    ):
        assert answer.content_type == "text/event-stream"
        assert await next_row(answer) == old, "the page has this row, but the server cannot tell"
        first = await site.settle((await site.event())[0], 503, body=SCRIPT)
        assert await next_row(answer) == first
        second = await site.settle((await site.event())[0], 200)
        assert await next_row(answer) == second
    missed = await site.settle((await site.event())[0], 200)
    async with (
        asyncio.timeout(60),
        admin.session.get(
            "/settings/webhooks/logs/stream?outcome=succeeded", headers={"Last-Event-ID": first}
        ) as answer,
    ):
        assert [await next_row(answer) for _ in range(3)] == [old, second, missed]


async def test_the_live_log_of_an_empty_page_starts_when_the_page_was_made(site, admin):
    """Attempts recorded before the browser connects are not lost."""
    await site.webhook()
    page = await admin.get("/logs")
    (attempts,) = page.all("div", id="attempts")
    missed = await site.settle((await site.event())[0], 200)
    url = f"/settings/webhooks/logs/stream?after={attempts['data-live-start']}"
    async with asyncio.timeout(60), admin.session.get(url) as answer:
        assert await next_row(answer) == missed


async def test_the_live_log_sends_an_older_attempt_that_another_node_recorded_later(site, admin):
    await site.webhook()
    slow = site.settlement((await site.event())[0], 200)
    newest = await site.settle((await site.event())[0], 200)
    assert slow.record.id < newest
    await site.storage.settle([slow])
    url = f"/settings/webhooks/logs/stream?after={newest}"
    async with asyncio.timeout(60), admin.session.get(url) as answer:
        assert {await next_row(answer), await next_row(answer)} == {slow.record.id, newest}


async def next_row(answer):
    while True:
        line = (await answer.content.readline()).decode().strip()
        if line.startswith("id: "):
            return line.removeprefix("id: ")


async def test_an_attempt_opened_in_the_log_is_only_its_article_and_a_bar_above_it(site, admin):
    await site.webhook()
    attempt = await site.settle((await site.event())[0], 503)
    part = await admin.get(f"/logs/{attempt}", headers={"X-Part": "attempt"})
    assert part.html.lstrip().startswith('<div class="drawer-bar">')
    assert len(part.all("article")) == 1
    assert not part.all("html")


async def test_the_log_shows_500_attempts_at_once_without_their_bodies(site, admin):
    await site.webhook()
    large = b'{"text":"' + b"x" * 10_000 + b'"}'
    for _ in range(5):
        batch = []
        for _ in range(101):
            (delivery,) = await site.event(data=large)
            batch.append(site.settlement(delivery, 503, body=b"y" * 10_000))
        await site.storage.settle(batch)
    page = await admin.get("/logs")
    assert len(rows(page)) == 500
    assert "xxxxxxxx" not in page.html
    assert "yyyyyyyy" not in page.html
    (older,) = [a["href"] for a in page.all("a") if "before=" in a.get("href", "")]
    assert len(rows(await admin.get(older))) == 5

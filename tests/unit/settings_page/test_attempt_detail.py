"""The page of one attempt: what was sent, what came back, what to do, and its replay."""

import msgspec

from winnerr_webhooks.domain.attempt import Failure

SCRIPT = b"<script>alert(document.cookie)</script><img src=x onerror=alert(1)>"


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


async def test_an_attempt_opened_in_the_log_is_only_its_article_and_a_bar_above_it(site, admin):
    await site.webhook()
    attempt = await site.settle((await site.event())[0], 503)
    part = await admin.get(f"/logs/{attempt}", headers={"X-Part": "attempt"})
    assert part.html.lstrip().startswith('<div class="drawer-bar">')
    assert len(part.all("article")) == 1
    assert not part.all("html")

"""The Logs tab without JavaScript: its rows and its filters."""

import re

import pytest


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


async def test_a_table_has_room_for_years_when_its_oldest_time_is_of_another_year(
    site, admin, monkeypatch
):
    webhook = await site.webhook()
    await site.settle((await site.event())[0], 200)
    paths = ("/logs", f"/{webhook.id}", f"/{webhook.id}/deliveries", "/activity")
    for path in paths:
        assert "has-years" not in (await admin.get(path)).html, path
    in_a_year = site.page.now() + 366 * 86_400_000
    monkeypatch.setattr(site.page, "now", lambda: in_a_year)
    for path in paths:
        assert "has-years" in (await admin.get(path)).html, path


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


async def test_an_address_to_share_has_no_empty_parameters(site, admin):
    webhook = await site.webhook()
    page = await admin.get("/logs?webhook=&event=&outcome=failed&status=&time=&q=a%3D&until=")
    assert page.url.endswith("/logs?outcome=failed&q=a%3D")
    assert (await admin.get("/logs?webhook=&event=")).url.endswith("/logs")
    assert (await admin.get(f"/{webhook.id}/recover?time=7d&since=")).url.endswith("?time=7d")
    page = await admin.get("/@org_1/logs?q=&outcome=failed")
    assert page.url.endswith("/@org_1/logs?outcome=failed")
    assert page.headers["content-security-policy"]


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


async def test_more_than_50_webhooks_are_in_the_filter_for_browsers_without_scripts(site, admin):
    webhooks = [await site.webhook(url=f"https://n{number}.example.com/") for number in range(50)]

    def waiting(page):
        return re.findall(r"<noscript>(.*?)</noscript>", page.html, re.DOTALL)

    for path in ("/logs", "/activity"):
        assert waiting(await admin.get(path)) == []
    webhooks.append(await site.webhook(url="https://last.example.com/"))
    for path in ("/logs", "/activity"):
        page = await admin.get(f"{path}?webhook={webhooks[7].id}")
        (rest,) = waiting(page)
        assert rest.count("<option") == 50
        assert "last.example.com" in rest
        assert webhooks[7].id not in rest
        (chosen,) = page.all("option", value=webhooks[7].id)
        assert "selected" in chosen

"""The list of webhooks, and the pages of one: overview, deliveries, settings, signing."""

from tests.unit.settings_page.webhook_form_fields import FORM, only_webhook


async def test_without_webhooks_the_page_says_what_to_do_next(admin, viewer):
    page = await admin.get()
    assert "No webhooks yet" in page.text
    assert page.all("a", href="/settings/webhooks/new")
    assert "An admin of org_1 can add one" in (await viewer.get()).text


async def test_a_webhook_is_named_first_wherever_it_is_shown(site, admin):
    await admin.post("/new", FORM | {"name": "CRM & co"})
    webhook = await only_webhook(site)
    for path, shown in (
        ("", "CRM &amp; co</a>"),
        (f"/{webhook.id}", "CRM &amp; co</h1>"),
        (f"/{webhook.id}/delete", "CRM &amp; co</b>"),
        (f"/{webhook.id}/recover", "CRM &amp; co</a>"),
        (f"/{webhook.id}/signature-check", "CRM &amp; co</a>"),
        (f"/{webhook.id}/check-receiver", "CRM &amp; co</a>"),
        ("/logs", "CRM &amp; co</option>"),
    ):
        assert shown in (await admin.get(path)).html, path


async def test_a_failing_webhook_links_its_first_failure(site, admin):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    first = await site.settle(delivery, 503)
    listed = await admin.get()
    assert "Failing" in listed.text
    assert "503 Made Up since" in listed.text
    for page in (listed, await admin.get(f"/{webhook.id}")):
        assert page.all("a", href=f"/settings/webhooks/logs/{first}")


async def test_a_webhooks_page_has_four_parts_and_names_the_one_that_is_shown(site, admin, viewer):
    webhook = await site.webhook(secret="a secret of mine")
    own = f"/settings/webhooks/{webhook.id}"
    parts = ("", "/deliveries", "/settings", "/signing")
    for reader in (admin, viewer):
        for part in parts:
            page = await reader.get(f"/{webhook.id}{part}")
            assert page.status == 200
            assert [one["href"] for one in page.all("a", **{"aria-current": "page"})] == [
                "/settings/webhooks",
                own + part,
            ]
            assert {own + one for one in parts} <= {one["href"] for one in page.all("a")}


async def test_the_deliveries_of_a_webhook_are_listed_by_outcome_and_a_page_at_a_time(site, admin):
    webhook = await site.webhook()
    made = []
    for status in (200, *[503] * 51):
        (delivery,) = await site.event()
        made.append(await site.settle(delivery, status))
    page = await admin.get(f"/{webhook.id}/deliveries")
    assert [row["id"] for row in page.all("tr") if "id" in row] == made[:1:-1]
    (older,) = [one["href"] for one in page.all("a", rel="next")]
    assert [row["id"] for row in (await admin.get(older)).all("tr") if "id" in row] == made[1::-1]
    path = f"/{webhook.id}/deliveries?outcome="
    assert [
        row["id"] for row in (await admin.get(path + "succeeded")).all("tr") if "id" in row
    ] == [made[0]]
    failed = await admin.get(path + "failed&before=" + made[2])
    assert [row["id"] for row in failed.all("tr") if "id" in row] == [made[1]]
    assert (await admin.get(path + "nonsense&before=nonsense")).status == 200


async def test_a_failing_webhook_says_what_to_do_and_offers_to_replay_all_that_failed(
    site, admin, viewer
):
    webhook = await site.webhook()
    other = await site.webhook()
    for _event in range(2):
        for delivery in await site.event():
            if delivery.webhook_id == webhook.id:
                last = await site.settle(delivery, 401, happened="exhausted")
    for part in ("", "/deliveries"):
        page = await admin.get(f"/{webhook.id}{part}")
        assert "What to do:" in page.text
        assert "Replay all 2 failed deliveries…" in page.text
        assert page.all("a", href=f"/settings/webhooks/logs/{last}")
        (link,) = [one["href"] for one in page.all("a") if "/logs/replay" in one["href"]]
        assert "2 failed deliveries" in (await admin.get(link)).text
        assert "Replay all" not in (await viewer.get(f"/{webhook.id}{part}")).text
    assert "What to do:" not in (await admin.get(f"/{webhook.id}/settings")).text
    assert "What to do:" not in (await admin.get(f"/{other.id}")).text


async def test_the_overview_has_charts_of_four_lengths_of_time_with_tables(site, admin):
    webhook = await site.webhook()
    path = f"/{webhook.id}"
    assert "No attempts in this time." in (await admin.get(path)).text
    for status in (200, 200, 503):
        (delivery,) = await site.event("deal.created")
        await site.settle(delivery, status)
    for name in ("1h", "24h", "7d", "30d"):
        page = await admin.get(f"{path}?time={name}")
        (chosen,) = list(page.all("a", **{"aria-current": "true"}))
        assert chosen["href"].endswith(f"?time={name}")
        for title in ("By outcome", "Delivery time", "By status", "By event type"):
            assert title in page.text
        assert "2xx 2" in page.text
        assert "5xx 1" in page.text
        assert "deal.created 3" in page.text
        assert "p99 91 ms" in page.text
        assert "estimated" not in page.text
        assert len(page.all("table", **{"class": "numbers"})) == 4
    for odd in ("", "?time=2h"):
        (chosen,) = list((await admin.get(path + odd)).all("a", **{"aria-current": "true"}))
        assert chosen["href"].endswith("?time=24h")

"""The Activity tab: who did what, in words, with filters and pages that need no script."""

from ipaddress import ip_network

from winnerr_webhooks.domain.activity import ACTIONS
from winnerr_webhooks.settings_page.activity_rows import ACTION_WORDS
from winnerr_webhooks.settings_page.session import Identity
from winnerr_webhooks.storage.activity_port import ActivityFilter

URL = "http://127.0.0.1:9/hook"


async def entries(site):
    return (await site.storage.activity(ActivityFilter(organization="org_1"))).items


async def add(admin, **fields):
    """Add a webhook on the page; returns its id."""
    form = {"url": URL, "events": "contact.created", "signing": "none"} | fields
    answer = await admin.post("/new", form)
    assert answer.status == 200
    return answer.url.rpartition("/")[2].partition("?")[0]


def test_every_action_has_words():
    assert tuple(ACTION_WORDS) == ACTIONS


async def test_what_a_user_does_on_the_page_is_listed_with_their_name_and_address(admin):
    webhook = await add(admin, description="CRM")
    await admin.post(f"/{webhook}/edit", {"url": URL, "events": "*", "description": "ERP"})
    await admin.post(f"/{webhook}/pause")
    await admin.post(f"/{webhook}/resume")
    await admin.post(f"/{webhook}/rotate")
    await admin.post(f"/{webhook}/secret")
    await admin.post(f"/{webhook}/test", {"event": "deal.created"})

    page = await admin.get("/activity")

    assert page.status == 200
    for words in (
        "Added the webhook", "Edited the webhook", "CRM → ERP",
        "contact.created → all events", "Paused the webhook", "Resumed the webhook",
        "Set a secret", "Revealed the secret", "Sent a test event · deal.created",
        "Signed in · as admin", "Jane 127.0.0.1",
    ):  # fmt: skip
        assert words in page.text, words
    german = await admin.get("/activity", headers={"Accept-Language": "de"})
    assert "Angemeldet · als Admin" in german.text
    assert page.all("a", href=f"/settings/webhooks/{webhook}")
    assert [link["href"] for link in page.all("a", **{"aria-current": "page"})] == [
        "/settings/webhooks/activity"
    ]


async def test_the_address_is_the_visitors_behind_a_trusted_proxy(make_site):
    site = await make_site(trusted_proxies=(ip_network("127.0.0.0/8"),))
    admin = await site.browser().sign_in()
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    await admin.post("/new", {"url": URL, "events": "*"}, headers=headers)

    assert (await entries(site))[0].actor.address == "203.0.113.7"


async def test_a_user_of_an_embedding_product_is_named(make_site):
    async def identify(_scope):
        return Identity(organization="org_1", role="admin", user="Zoë")

    site = await make_site(identify=identify)
    browser = site.browser()
    form = {"url": URL, "events": "*", "signing": "none"}
    await browser.post("/new", form, csrf=(await browser.get("/new")).csrf)

    (entry,) = await entries(site)
    assert (entry.actor.kind, entry.actor.name) == ("user", "Zoë")


async def test_a_secret_is_nowhere_in_it(admin, site):
    webhook = await add(admin, secret="whsec_" + "c2VjcmV0" * 4, signing="hmac")
    await admin.post(f"/{webhook}/secret")

    assert "c2VjcmV0" not in (await admin.get("/activity")).html
    assert "c2VjcmV0" not in repr(await entries(site))


async def test_a_secret_that_is_shown_after_saving_is_in_it_too(admin):
    await add(admin, signing="hmac")
    assert "Revealed the secret" in (await admin.get("/activity")).text


async def test_a_secret_that_cannot_be_recorded_is_not_revealed(admin, site, monkeypatch):
    webhook = await add(admin, secret="a very secret secret", signing="hmac")

    async def fail(*_args, **_details):
        raise RuntimeError("no disk")

    monkeypatch.setattr(site.storage, "record_activity", fail)
    answer = await admin.post(f"/{webhook}/secret")

    assert answer.status == 500
    assert "a very secret secret" not in answer.html


async def test_a_viewer_sees_the_activity(viewer):
    assert "Signed in · as viewer" in (await viewer.get("/activity")).text


async def test_filters_narrow_and_are_kept_in_the_form(admin):
    one, two = await add(admin), await add(admin)
    await admin.post(f"/{two}/pause")

    of_one = await admin.get(f"/activity?webhook={one}")
    assert "Added the webhook" in of_one.text
    assert "Paused the webhook · " not in of_one.text
    assert len(of_one.all("tr")) == 2
    paused = await admin.get("/activity?action=webhook.paused&actor=Jane&time=1h")
    assert len(paused.all("tr")) == 2
    assert paused.all("input", name="actor")[0]["value"] == "Jane"
    assert paused.all("option", value="webhook.paused", selected="")
    nobody = await admin.get("/activity?actor=Nobody")
    assert "No matching entries" in nobody.text
    wrong = await admin.get("/activity?webhook=x&action=y&time=z&before=w&actor=%00")
    assert len(wrong.all("tr")) == 5


async def test_older_entries_are_on_the_next_page(admin, site):
    webhook = await add(admin)
    for _ in range(100):
        await site.storage.record_activity("org_1", "receiver.checked", webhook=webhook)

    newest = await admin.get("/activity")
    (link,) = [a["href"] for a in newest.all("a") if "before=" in a.get("href", "")]
    older = await admin.get(link)

    assert len(newest.all("tr")) == 101
    assert "Signed in" in older.html
    assert "Newest entries" in older.text


async def test_the_webhook_of_an_entry_stays_named_when_it_is_deleted(admin):
    webhook = await add(admin)
    await admin.post(f"/{webhook}/delete")

    page = await admin.get("/activity")

    assert "Deleted the webhook" in page.text
    assert "http://127.0.0.1:9/hook deleted" in page.text
    assert not page.all("a", href=f"/settings/webhooks/{webhook}")

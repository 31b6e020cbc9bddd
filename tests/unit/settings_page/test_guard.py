"""What every request of the page has to pass: CSRF and origin checks, roles, organizations."""

from urllib.parse import urlsplit

import pytest

from winnerr_webhooks.settings_page.session import Identity

EVIL = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


def path_of(url):
    return urlsplit(url).path


async def test_a_change_needs_the_csrf_token_of_its_own_session(site, admin):
    other = await site.browser().sign_in()
    theirs = (await other.get("/new")).csrf
    for token in ("", "wrong", "é", theirs):
        assert (await admin.post("/new", {"url": "x"}, csrf=token)).status == 403
    assert await site.page.webhooks.list("org_1") == []


@pytest.mark.parametrize("headers", [EVIL, {"Sec-Fetch-Site": "same-site"}])
async def test_a_change_sent_by_another_site_is_refused(site, admin, headers):
    token = (await admin.get("/new")).csrf
    answer = await admin.post("/new", {"url": "x"}, csrf=token, headers=headers)
    assert answer.status == 403
    link = path_of((await site.page.sign_in.create_link("org_evil")).url)
    assert (await site.browser().post(link, csrf="", headers=headers)).status == 403


async def test_without_sec_fetch_site_the_origin_decides(site, admin):
    token = (await admin.get("/new")).csrf
    for origin, status in (
        (f"http://127.0.0.1:{site.port}", 422),
        ("https://evil.example", 403),
    ):
        async with admin.session.post(
            "/settings/webhooks/new", data={"csrf": token}, headers={"Origin": origin}
        ) as answer:
            assert answer.status == status


async def test_a_viewer_sees_webhooks_and_logs_but_no_controls(site, viewer):
    webhook = await site.webhook(secret="a secret of mine")
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)

    for path in ("", f"/{webhook.id}", "/logs", f"/logs/{attempt}"):
        page = await viewer.get(path)
        assert page.status == 200
        assert "127.0.0.1:9/hook" in page.text
        assert "a secret of mine" not in page.html
        forms = {form.get("action", "") for form in page.all("form", method="post")}
        assert forms == {"/settings/webhooks/sign-out"}
        assert "Add Webhook" not in page.text
        assert not page.has_button("Replay")


async def test_the_server_refuses_changes_by_a_viewer(site, viewer):
    webhook = await site.webhook(secret="a secret of mine")
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)
    changes = [
        f"/{webhook.id}/{verb}"
        for verb in (
            "test",
            "pause",
            "resume",
            "delete",
            "edit",
            "secret",
            "rotate",
            "switch",
            "unsign",
        )
    ]
    changes += ["/new", "/check-url", "/generate-secret", f"/logs/{attempt}/replay", "/logs/replay"]
    for path in changes:
        answer = await viewer.post(path)
        assert answer.status == 403, path
        assert "a secret of mine" not in answer.html
    for path in ("/new", f"/{webhook.id}/edit", f"/{webhook.id}/delete", "/logs/replay"):
        assert (await viewer.get(path)).status == 403
    assert await site.page.webhooks.get("org_1", webhook.id) == webhook


async def test_webhooks_and_attempts_of_another_organization_are_404(site):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)
    stranger = await site.browser().sign_in(organization="org_2")
    for path in (f"/{webhook.id}", f"/logs/{attempt}", f"/{webhook.id}/edit"):
        assert (await stranger.get(path)).status == 404
    assert "127.0.0.1:9" not in (await stranger.get("/logs")).text
    for path in (f"/{webhook.id}/pause", f"/{webhook.id}/secret", f"/logs/{attempt}/replay"):
        assert (await stranger.post(path)).status == 404


async def test_an_embedding_crm_identifies_its_own_users(make_site):
    async def identify(scope):
        for name, value in scope["headers"]:
            if name == b"x-crm-user":
                return Identity(organization="org_1", role=value.decode(), user="Ada")
        return None

    site = await make_site(identify=identify)
    crm = {"X-CRM-User": "admin"}
    browser = site.browser()
    page = await browser.get("/new", headers=crm)
    assert "Ada" in page.text
    assert not page.has_button("Sign out")
    fields = {"url": "http://127.0.0.1:9/hook", "events": "*"}
    assert (await browser.post("/new", fields, csrf="", headers=crm)).status == 403
    saved = await browser.post("/new", fields, csrf=page.csrf, headers=crm)
    assert saved.status == 200, saved.text
    assert (await site.browser().get()).status == 401
    limited = await site.browser().get("/new", headers={"X-CRM-User": "viewer"})
    assert limited.status == 403

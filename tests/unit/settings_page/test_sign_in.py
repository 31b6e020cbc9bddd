"""Signing in and out, CSRF and origin checks, security headers, and what each role may do."""

import asyncio
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from yarl import URL

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.page_options import check_page_options
from winnerr_webhooks.settings_page.session import Identity, VisitorAuth
from winnerr_webhooks.storage.values import PageOptions

EVIL = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


def path_of(url):
    return urlsplit(url).path


async def test_a_link_shows_one_button_that_signs_in(site):
    browser = site.browser()
    link = path_of((await site.page.sign_in.create_link("org_1", "admin", "Jane")).url)

    for _ in range(2):  # mail scanners follow links
        first_page = await browser.get(link)
        assert first_page.status == 200
        assert len(first_page.all("button")) == 1
    home = await browser.post(link, csrf="")

    assert home.status == 200
    assert path_of(home.url) == "/settings/webhooks"
    assert "org_1" in home.text
    assert "Jane" in home.text


async def test_a_used_link_says_how_to_get_a_new_one(site):
    link = path_of((await site.page.sign_in.create_link("org_1")).url)
    await site.browser().post(link, csrf="")

    for expired in (await site.browser().get(link), await site.browser().post(link, csrf="")):
        assert expired.status == 410
        assert "login-link" in expired.text


async def test_a_signed_out_visitor_sees_how_to_sign_in(site):
    for path in ("", "/logs", "/new", "/logs/stream"):
        answer = await site.browser().get(path)
        assert answer.status == 401
        assert "login-link" in answer.text


async def test_with_a_sign_in_url_a_signed_out_visitor_is_sent_there(make_site):
    site = await make_site(sign_in_url="https://crm.example.com/login")
    async with site.browser().session.get("/settings/webhooks", allow_redirects=False) as answer:
        assert answer.status == 303
        location = answer.headers["Location"]
    assert location == "https://crm.example.com/login?return_to=/settings/webhooks"
    posted = await site.browser().post("/new", csrf="x")
    assert posted.status == 401
    (link,) = [one["href"] for one in posted.all("a") if "crm.example.com" in one["href"]]
    assert link == "https://crm.example.com/login?return_to=/settings/webhooks/new"


@pytest.mark.parametrize(
    ("url", "path", "location"),
    [
        ("https://a.example", "/logs", "https://a.example?return_to=/settings/webhooks/logs"),
        (
            "https://a.example/in?x=1#top",
            "/logs?q=a%26b&limit=5",
            (
                "https://a.example/in?x=1"
                "&return_to=/settings/webhooks/logs%3Fq%3Da%2526b%26limit%3D5#top"
            ),
        ),
        (
            "https://a.example",
            "/@org_2/new",
            "https://a.example?return_to=/settings/webhooks/%40org_2/new",
        ),
    ],
)
async def test_the_product_is_told_which_page_was_asked_for(make_site, url, path, location):
    site = await make_site(sign_in_url=url)
    address = URL(f"/settings/webhooks{path}", encoded=True)
    async with site.browser().session.get(address, allow_redirects=False) as answer:
        assert answer.headers["Location"] == location
        asked = parse_qs(urlsplit(location).query)["return_to"][0]
    checks = FieldChecks()
    options = check_page_options(checks, (), path=asked)
    checks.done()  # portal-sessions takes it as it is
    assert f"/settings/webhooks{options.path}" == asked.replace("/@org_2", "")


@pytest.mark.parametrize(
    ("headers", "ancestors", "redirects"),
    [
        ({"Sec-Fetch-Dest": "document"}, ("https://a.example",), True),
        ({"Sec-Fetch-Dest": "iframe"}, ("https://a.example",), False),
        ({"Sec-Fetch-Dest": "iframe"}, (), False),
        ({}, ("https://a.example",), False),
        ({}, (), True),
    ],
)
async def test_sign_in_never_loads_the_product_in_its_own_frame(
    make_site, headers, ancestors, redirects
):
    site = await make_site(sign_in_url="https://a.example/in", frame_ancestors=ancestors)
    answer = await site.browser().session.get(
        "/settings/webhooks/logs", headers=headers, allow_redirects=False
    )
    assert answer.status == (303 if redirects else 401)
    if not redirects:
        link = 'href="https://a.example/in?return_to=/settings/webhooks/logs" target="_top"'
        assert link in await answer.text()


async def test_a_link_leads_to_its_page_and_says_its_names(site):
    page = PageOptions(
        path="/logs?outcome=failed",
        return_url="https://a.example/settings?a=1&b=2",
        organization_name="Acme <GmbH>",
        language="de-CH",
    )
    link = await site.page.sign_in.create_link("org_1", page=page)
    browser = site.browser()
    assert "Acme <GmbH>" in (await browser.get(path_of(link.url))).text
    logs = await browser.post(path_of(link.url), csrf="")
    assert str(logs.url).endswith("/settings/webhooks/logs?outcome=failed")
    assert "Acme <GmbH>" in logs.text
    assert "org_1" not in logs.text
    assert 'href="https://a.example/settings?a=1&amp;b=2" target="_top"' in logs.html
    assert '<html lang="de" dir="ltr">' in logs.html
    assert logs.headers["Content-Language"] == "de"
    assert "Accept-Language" in logs.headers["Vary"]


async def test_a_page_is_in_the_browsers_language_before_and_after_signing_in(make_site):
    site = await make_site(default_language="fr")
    browser = site.browser()
    for languages, tag in (("pt-PT, en;q=0.5", "pt-BR"), ("ja", "fr")):
        headers = {"Accept-Language": languages}
        for path in ("/signed-out", "/sign-in/none", "/logs", "/no/such/page"):
            assert (
                f'<html lang="{tag}" dir="ltr">' in (await browser.get(path, headers=headers)).html
            )
    await browser.sign_in()
    page = await browser.get(headers={"Accept-Language": "es"})
    assert '<html lang="es" dir="ltr">' in page.html


async def test_two_organizations_in_two_tabs_stay_apart(site):
    browser = site.browser()
    await browser.sign_in(organization="org_1")
    ours = await site.webhook(url="http://127.0.0.1:9/ours")
    link = path_of((await site.page.sign_in.create_link("org_2", "viewer")).url)
    second = await browser.post(link, csrf="")

    assert path_of(second.url) == "/settings/webhooks/@org_2"
    assert "org_2" in second.text
    links = [one["href"] for one in second.all("a") if one["href"].startswith("/")]
    assert links
    assert all(link.startswith("/settings/webhooks/@org_2") for link in links)
    for path in ("", "/logs"):
        assert "org_1" in (await browser.get(path)).text
        assert "org_2" in (await browser.get(f"/@org_2{path}")).text
    assert (await browser.get(f"/{ours.id}")).status == 200
    assert (await browser.get(f"/@org_2/{ours.id}")).status == 404
    assert (await browser.get("/@org_2/new")).status == 403
    assert (await browser.get("/@org_1/new")).status == 200
    assert (await browser.get("/@org_3")).status == 401

    token = (await browser.get("/new")).csrf
    assert (await browser.post("/@org_2/sign-out", csrf=token)).status == 403
    out = await browser.post("/@org_2/sign-out", csrf=second.csrf)
    assert path_of(out.url) == "/settings/webhooks/@org_2/signed-out"
    assert (await browser.get("/@org_2")).status == 401
    assert (await browser.get()).status == 200


async def test_two_tabs_that_a_product_opens_at_once_stay_apart(site):
    browser = site.browser()
    options = PageOptions(auto_sign_in=True)
    names = ("org_1", "org_2")
    links = [(await site.page.sign_in.create_link(name, page=options)).url for name in names]
    await asyncio.gather(*(browser.post(path_of(link), csrf="") for link in links))
    for name in names:
        assert name in (await browser.get(f"/@{name}/logs")).text
    assert (await browser.get()).status == 401  # whose page that is nobody can say


async def test_the_plain_address_takes_the_only_session_there_is(site):
    browser = site.browser()
    options = PageOptions(auto_sign_in=True)
    link = path_of((await site.page.sign_in.create_link("org_1", page=options)).url)
    signed_in = await browser.post(link, csrf="")
    assert path_of(signed_in.url) == "/settings/webhooks/@org_1"
    assert "org_1" in (await browser.get()).text
    await browser.post("/sign-out")
    assert (await browser.get()).status == (await browser.get("/@org_1")).status == 401


async def test_a_new_link_of_the_same_organization_replaces_its_session(site):
    browser = await site.browser().sign_in(organization="org_1")
    for organization in ("org_2", "org_2", "org_1"):
        link = path_of((await site.page.sign_in.create_link(organization)).url)
        await browser.post(link, csrf="")
    cookies = [one.key for one in browser.session.cookie_jar]
    assert sorted(cookies) == ["webhooks_session", "webhooks_session.org_2"]
    assert (await browser.get("/@org_2")).status == (await browser.get()).status == 200


async def test_a_redirect_stays_at_the_organizations_address(site):
    browser = await site.browser().sign_in(organization="org_1")
    link = path_of((await site.page.sign_in.create_link("org_2")).url)
    await browser.post(link, csrf="")
    theirs = await site.webhook(organization="org_2")
    token = (await browser.get("/@org_2/new")).csrf
    paused = await browser.post(f"/@org_2/{theirs.id}/pause", csrf=token)
    assert path_of(paused.url) == f"/settings/webhooks/@org_2/{theirs.id}"


async def test_signing_out_ends_the_session_on_the_server_too(site, admin):
    cookies = list(admin.session.cookie_jar)
    await admin.post("/sign-out")

    thief = site.browser()
    thief.session.cookie_jar.update_cookies({one.key: one.value for one in cookies})
    assert (await thief.get()).status == 401
    assert (await admin.get()).status == 401


async def test_the_session_cookie_is_hidden_from_scripts_and_other_sites(site):
    link = path_of((await site.page.sign_in.create_link("org_1")).url)
    async with site.browser().session.post(link, allow_redirects=False) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=28800" in cookie


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"public_url": "https://hooks.example.com"}, ("__Host-", "SameSite=Lax", "Secure")),
        (
            {"public_url": "https://h.example", "frame_ancestors": ("https://crm.example",)},
            ("__Host-", "SameSite=None", "Secure", "Partitioned"),
        ),
    ],
)
def test_over_https_the_cookie_is_bound_to_this_host(settings, wanted):
    cookie = VisitorAuth(Config(**settings), sign_in=None).session_cookie("token")
    for part in wanted:
        assert part in cookie


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


async def test_every_answer_has_the_security_headers(site, admin):
    for path in ("", "/logs", "/nothing/here", "/sign-in/x"):
        headers = (await admin.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


async def test_a_frame_ancestor_may_frame_the_page(make_site):
    site = await make_site(frame_ancestors=("https://crm.example",))
    headers = (await site.browser().get()).headers
    assert headers["Content-Security-Policy"].endswith("frame-ancestors https://crm.example")
    assert "X-Frame-Options" not in headers


async def test_static_files_are_cached_forever_under_a_url_of_their_content(site, admin):
    page = await admin.get()
    styles = page.all("link", rel="stylesheet")
    assert styles
    for style in styles:
        async with admin.session.get(style["href"]) as answer:
            assert answer.content_type == "text/css"
            assert "immutable" in answer.headers["Cache-Control"]
    async with admin.session.get("/settings/webhooks/static/000000000000/page.css") as answer:
        assert answer.status == 404


async def test_no_page_has_inline_style_or_script(site, admin):
    webhook = await site.webhook(secret="a secret of mine")
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)
    paths = ("", "/new", "/logs", f"/logs/{attempt}", f"/{webhook.id}", f"/{webhook.id}/delete")
    for path in (*paths, f"/{webhook.id}/edit", "/logs/replay"):
        page = await admin.get(path)
        assert page.status == 200, path
        for tag, attributes in page.tags:
            assert tag != "style"
            assert not {"style", "onclick", "onload"} & attributes.keys()
            assert tag != "script" or attributes["src"].startswith("/settings/webhooks/static/")


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


async def test_trying_again_leads_to_the_same_organization_and_view(site, monkeypatch):
    async def away(*_: object) -> None:
        raise Unavailable("The database cannot be reached.")

    browser = site.browser()
    await browser.sign_in(organization="org_1")
    link = path_of((await site.page.sign_in.create_link("org_2")).url)
    await browser.post(link, csrf="")
    monkeypatch.setattr(site.storage, "log", away)
    page = await browser.get("/@org_2/logs?outcome=failed")
    assert page.status == 503
    assert 'href="/settings/webhooks/@org_2/logs?outcome=failed"' in page.html


def fields_of(page, name: str = "") -> dict[str, str]:
    """The fields that a page keeps."""
    kept = re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', page.html, re.DOTALL)
    return {key: unescape(value) for key, value in kept if key.startswith(name)}


ENTERED = [
    ("url", "https://hooks.example.com/crm"), ("events", "contact.created"),
    ("events", "deal.created"), ("description", '\n"quoted" <b>&amp;'), ("secret", ""),
]  # fmt: skip


async def test_a_form_sent_after_the_session_ended_goes_on_after_signing_in(site):
    browser = await site.browser().sign_in()
    form = await browser.get("/new")
    visitor = [("csrf", form.csrf), ("organization", "org_1")]
    await browser.post("/sign-out")
    page = await browser.post("/new", [*ENTERED, ("organization", "org_1")], csrf=form.csrf)
    assert page.status == 401
    assert "What you entered is kept on this page" in page.text
    assert fields_of(page)["description"] == '\n"quoted" <b>&amp;'
    assert not page.all("section", **{"data-signed-out": ""})
    page = await browser.post("/new", [*ENTERED, visitor[1]], csrf="")
    assert page.status == 401
    assert fields_of(page)["url"] == "https://hooks.example.com/crm"

    await browser.sign_in()
    page = await browser.post("/new", [*ENTERED, visitor[1]], csrf="")
    assert page.status == 403
    assert "You signed in again" in page.text
    assert page.has_button("Send it now")
    assert await site.page.webhooks.list("org_1") == []
    sent = re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', page.html, re.DOTALL)
    page = await browser.post(
        "/new", [(name, unescape(value)) for name, value in sent], csrf=page.csrf
    )
    (webhook,) = await site.page.webhooks.list("org_1")
    assert webhook.events == ("contact.created", "deal.created")


async def test_what_was_entered_for_one_organization_is_not_shown_to_another(site):
    browser = await site.browser().sign_in()
    form = await browser.get("/new")
    await browser.post("/sign-out")
    await browser.sign_in(organization="org_2")
    fields = [*ENTERED, ("secret", "a secret of mine"), ("organization", "org_1")]
    page = await browser.post("/new", fields, csrf=form.csrf)
    assert page.status == 403
    assert "out of date" in page.text
    assert "hooks.example.com" not in page.html
    assert "a secret of mine" not in page.html


async def test_after_a_post_the_page_of_the_form_is_named_to_a_frame_and_to_the_sign_in(make_site):
    site = await make_site(sign_in_url="https://crm.example.com/login")
    browser = site.browser()
    for path, page_of_it in (
        ("/wh_1/pause", "/wh_1"),
        ("/@org_1/wh_1/rotate", "/@org_1/wh_1"),
        ("/new", "/new"),
        ("/wh_1/delete", "/wh_1/delete"),
        ("/logs/att_1/replay", "/logs/att_1/replay"),
    ):
        page = await browser.post(path, csrf="x")
        (section,) = page.all("section", **{"class": "message-page"})
        assert section["data-signed-out"] == f"/settings/webhooks{page_of_it}"
        assert any(
            link.get("href", "").endswith(
                f"return_to=/settings/webhooks{page_of_it}".replace("@", "%40")
            )
            for link in page.all("a")
        )


async def test_signing_in_by_itself_leaves_the_session_of_the_plain_address_alone(site):
    browser = await site.browser().sign_in()
    token = next(one.value for one in browser.session.cookie_jar if "." not in one.key)
    options = PageOptions(auto_sign_in=True)
    for _ in range(2):
        link = await site.page.sign_in.create_link("org_1", page=options)
        await browser.post(path_of(link.url), csrf="")
    assert await site.page.sign_in.session(token) is not None
    assert sorted(one.key for one in browser.session.cookie_jar) == [
        "webhooks_session", "webhooks_session.org_1",
    ]  # fmt: skip
    assert (await browser.get()).status == (await browser.get("/@org_1")).status == 200


async def test_a_browser_holds_the_sessions_of_at_most_20_organizations(site):
    browser = site.browser()
    options = PageOptions(auto_sign_in=True)
    for number in range(22):
        link = await site.page.sign_in.create_link(f"org_{number}", page=options)
        await browser.post(path_of(link.url), csrf="")
    kept = {one.key for one in browser.session.cookie_jar}
    assert len(kept) == 20
    assert "webhooks_session.org_21" in kept
    assert (await browser.get("/@org_21")).status == 200

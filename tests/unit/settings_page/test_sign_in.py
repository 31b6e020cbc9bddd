"""Signing in with a link or at the product, and what a signed-out visitor gets."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from yarl import URL

from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.page_options import check_page_options
from winnerr_webhooks.storage.values import PageOptions


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

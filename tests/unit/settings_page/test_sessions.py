"""Sessions of the page: their cookies, and several organizations in one browser."""

import asyncio
from urllib.parse import urlsplit

import pytest

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.settings_page.session import VisitorAuth
from winnerr_webhooks.storage.values import PageOptions


def path_of(url):
    return urlsplit(url).path


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

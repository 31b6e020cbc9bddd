"""`POST …/portal-sessions`: a product's backend creates sign-in links for the settings page."""

from urllib.parse import urlsplit

from winnerr_webhooks.management.page_sign_in import PageSignIn
from winnerr_webhooks.storage.values import PageOptions


async def test_a_service_key_creates_a_link_that_works_once(api):
    status, link = await api.call("POST", "~/portal-sessions", {"role": "viewer", "user": "Jane"})
    assert status == 201
    assert link.keys() == {"url", "expiresAt"}
    assert link["url"].startswith(api.services.config.public_url + "/settings/webhooks/sign-in/")
    token = urlsplit(link["url"]).path.rpartition("/")[2]
    sign_in = PageSignIn(storage=api.storage, clock=api.services.clock, public_url="http://x")
    session = await sign_in.use_link(token)
    assert (session.grant.organization, session.grant.role, session.grant.user) == (
        "org_1",
        "viewer",
        "Jane",
    )
    assert await sign_in.use_link(token) is None
    assert token not in repr(session)


async def test_a_key_of_an_organization_cannot_create_links(api):
    own = (await api.keys.create("own", "org_1")).secret
    status, problem = await api.call("POST", "~/portal-sessions", {"role": "admin"}, key=own)
    assert status == 403
    assert "service key" in problem["detail"]


async def test_role_and_name_are_checked(api):
    for body, pointer in (
        ({"role": "owner"}, "/role"),
        ({"role": "admin", "user": "x" * 101}, "/user"),
        ({"role": "admin", "user": "two\nlines"}, "/user"),
        ({"role": "admin", "extra": 1}, "/extra"),
        ({"role": "admin", "path": "/logs"}, "/path"),
        ({"role": "admin", "returnUrl": "http://a.example"}, "/returnUrl"),
        ({"role": "admin", "language": "de_DE"}, "/language"),
        ({"role": "admin", "organizationName": "x" * 101}, "/organizationName"),
        ({"role": "admin", "autoSignIn": "yes"}, "/autoSignIn"),
    ):
        status, problem = await api.call("POST", "~/portal-sessions", body)
        assert status == 422
        assert [error["pointer"] for error in problem["errors"]] == [pointer], problem
    assert (await api.call("POST", "~/portal-sessions", {}))[0] == 422


async def test_how_the_page_opens_is_kept_with_the_session(api):
    body = {
        "role": "admin",
        "path": "/settings/webhooks/logs",
        "returnUrl": "https://a.example/back",
        "language": "pt-BR",
        "organizationName": "Acme GmbH",
        "autoSignIn": True,
    }
    status, link = await api.call("POST", "~/portal-sessions", body)
    assert status == 201
    token = urlsplit(link["url"]).path.rpartition("/")[2]
    sign_in = PageSignIn(storage=api.storage, clock=api.services.clock, public_url="http://x")
    session = await sign_in.use_link(token)
    assert session.grant.page == PageOptions(
        path="/logs",
        return_url="https://a.example/back",
        language="pt-BR",
        organization_name="Acme GmbH",
        auto_sign_in=True,
    )

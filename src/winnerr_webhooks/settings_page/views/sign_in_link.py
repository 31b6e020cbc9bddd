"""Signing in with a one-time link, and signing out."""

from http import HTTPStatus

from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    redirect,
    set_cookies,
)
from winnerr_webhooks.settings_page.session import Visitor, organization_path


@get("/sign-in/{token:str}", public=True)
async def show_link(
    page: PageDependency, request: PageRequest, token: FromPath[str]
) -> Response[str]:
    """Show a button that signs in. A GET does not use the link, because mail scanners follow it."""
    grant = await page.sign_in.peek_link(token)
    if grant is None:
        return _expired(page, request)
    language = page.auth.language(request.scope, grant.page.language)
    await page.load_language(language)
    action = f"{PAGE}/sign-in/{token}"
    return page.answer("sign_in.html", None, language=language, grant=grant, action=action)


@post("/sign-in/{token:str}", public=True)
async def use_link(
    page: PageDependency, request: PageRequest, token: FromPath[str]
) -> Response[str]:
    """Use the link and start a session. One that the new cookie replaces ends."""
    session = await page.sign_in.use_link(token)
    if session is None:
        return _expired(page, request)
    organization, path = session.grant.organization, session.grant.page.path
    # A product that opens several tabs at once uses such links at once, so none can see the other.
    beside = session.grant.page.auto_sign_in or _is_beside(request.auth, organization)
    cookies = [page.auth.session_cookie(session.token, organization if beside else None)]
    replaced = page.auth.replaced_sessions(request.scope, organization if beside else None)
    for ended, expired in replaced:
        await page.sign_in.end(ended)
        cookies += [expired] if expired else []
    answer = redirect(path, base=organization_path(organization) if beside else PAGE)
    set_cookies(answer, cookies)
    return answer


def _expired(page: PageContext, request: PageRequest) -> Response[str]:
    language = page.auth.language(request.scope)
    return page.answer("link_expired.html", None, language=language, status=HTTPStatus.GONE)


def _is_beside(signed_in: Visitor | None, organization: str) -> bool:
    """Whether the browser has a session of another organization, which goes on in its tabs."""
    return (
        signed_in is not None
        and signed_in.session is not None
        and signed_in.organization != organization
    )


@post("/sign-out", viewer=True)
async def sign_out(page: PageDependency, request: PageRequest) -> Response[str]:
    """End the session, in the storage and in the browser."""
    if request.auth.session is not None:
        await page.sign_in.end(request.auth.session)
    answer = redirect("/signed-out")
    answer.headers["Set-Cookie"] = page.auth.expired_session_cookie(request.scope)
    return answer


@get("/signed-out", public=True)
async def signed_out(page: PageDependency, request: PageRequest) -> Response[str]:
    """Confirm that the visitor is signed out."""
    language = page.auth.language(request.scope)
    return page.answer("signed_out.html", None, language=language, posted=None, fields=[])


ROUTES = (show_link, use_link, sign_out, signed_out)

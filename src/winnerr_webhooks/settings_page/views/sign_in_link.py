"""Signing in with a one-time link, signing out, and the page's own files."""

from http import HTTPStatus

from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.management.page_sign_in import PAGE
from winnerr_webhooks.settings_page.assets import FOREVER
from winnerr_webhooks.settings_page.page_context import Given, PageRequest, go


@get("/sign-in/{token:str}", opened=True)
async def show_link(page: Given, token: FromPath[str]) -> Response[str]:
    """Show one button. Looking uses nothing up: mail scanners follow every link they see."""
    grant = await page.sign_in.peek_link(token)
    if grant is None:
        return page.answer("link_over.html", None, status=HTTPStatus.GONE)
    return page.answer("sign_in.html", None, grant=grant, action=f"{PAGE}/sign-in/{token}")


@post("/sign-in/{token:str}", opened=True)
async def use_link(page: Given, request: PageRequest, token: FromPath[str]) -> Response[str]:
    """Use the link up, start a session."""
    session = await page.sign_in.use_link(token)
    if session is None:
        return page.answer("link_over.html", None, status=HTTPStatus.GONE)
    before = request.auth
    if before is not None and before.session is not None:
        await page.sign_in.end(before.session)
    answer = go("")
    answer.headers["Set-Cookie"] = page.gate.session_cookie(session.token)
    return answer


@post("/sign-out", viewer=True)
async def sign_out(page: Given, request: PageRequest) -> Response[str]:
    """End the session, here and in the storage."""
    if request.auth.session is not None:
        await page.sign_in.end(request.auth.session)
    answer = go("/signed-out")
    answer.headers["Set-Cookie"] = page.gate.no_session_cookie()
    return answer


@get("/signed-out", opened=True)
async def signed_out(page: Given) -> Response[str]:
    """Say that it is done."""
    return page.answer("signed_out.html", None, posted=None)


@get("/static/{version:str}/{name:str}", asset=True)
async def static(page: Given, version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """One of the page's own files."""
    asset = page.assets.get(version, name)
    if asset is None:
        raise NotFound("This file belongs to another version of the page: reload it.")
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": FOREVER})


ROUTES = (show_link, use_link, sign_out, signed_out, static)

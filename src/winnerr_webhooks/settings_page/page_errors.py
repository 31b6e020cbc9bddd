"""Error pages: each says what happened and what to do next."""

import traceback
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from winnerr_webhooks.domain.errors import Refused, Unavailable, Uncertain
from winnerr_webhooks.domain.text import Sentences, Text
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.guard import AdminRequired, SignedInAgain, SignedOut
from winnerr_webhooks.settings_page.page_context import SEE_OTHER, PageContext
from winnerr_webhooks.settings_page.session import ORGANIZATION, organization_path

log = structlog.get_logger(__name__)

_TITLES: Final = {
    400: Text("The request is malformed"),
    403: Text("This request was refused"),
    404: Text("Page not found"),
    405: Text("Page not found"),
    409: Text("This cannot be done now"),
    413: Text("The form is too large"),
    422: Text("The input is not valid"),
    503: Text("The service is busy or cannot reach its database"),
}

_ACTS: Final = {
    "test", "pause", "resume", "secret", "rotate", "switch", "unsign", "cancel", "sign-out",
}  # fmt: skip
"""Last parts of addresses that take forms only; the page with the form is above them."""
_HELPERS: Final = {"check-url", "generate-secret", "filter-paths", "filter-test"}
"""The same for requests that the form of a webhook makes by itself."""


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The page for an exception that a view or the guard raised."""
    page: PageContext = request.app.state.page
    if isinstance(error, SignedOut):
        return _signed_out(request, page, error.form)
    if isinstance(error, SignedInAgain) and error.form.kept():
        return page.answer(
            "send_again.html",
            request.scope["auth"],
            status=error.status,
            action=_asked(request),
            fields=error.form.kept(),
        )
    status, title, detail = _explain(error, page)
    visitor = request.scope.get("auth")
    language = visitor.language if visitor else page.auth.language(request.scope)
    if request.headers.get("x-part"):
        shown = page.languages.get(language).translate(detail)
        return Response(shown, status_code=status, media_type="text/plain; charset=utf-8")
    unavailable = status == HTTPStatus.SERVICE_UNAVAILABLE
    answer = page.answer(
        "error.html",
        visitor,
        language=language,
        status=status,
        title=title,
        detail=detail,
        retry=_asked(request) if unavailable and request.method == "GET" else None,
    )
    if unavailable:
        answer.headers["Retry-After"] = "5"
    return answer


def _signed_out(
    request: Request[Any, Any, Any], page: PageContext, form: Form | None
) -> Response[Any]:
    """Where to sign in. A form that was posted is kept: its page can send it again.

    Neither is a frame, in which the product would load inside itself: its page has a link instead.
    """
    navigates = request.method in ("GET", "HEAD") and not request.headers.get("x-part")
    asked = _asked(request) if navigates else _page_of_form(request)
    sign_in_url = _sign_in_url(asked, page.config.sign_in_url)
    if navigates and sign_in_url and not _may_be_framed(request, page):
        return Redirect(sign_in_url, status_code=SEE_OTHER)
    return page.answer(
        "signed_out.html",
        None,
        language=page.auth.language(request.scope),
        status=HTTPStatus.UNAUTHORIZED,
        posted=not navigates,
        asked=asked,
        action=_asked(request),
        organization=form.text("organization") if form else "",
        fields=form.kept() if form else [],
        sign_in_url=sign_in_url,
    )


def _asked(request: Request[Any, Any, Any]) -> str:
    """The address that was asked for, as the browser has it: with the organization in it."""
    path, query = request.url.path, request.url.query
    organization = request.scope.get(ORGANIZATION)
    if organization is not None:
        path = organization_path(str(organization)) + path.removeprefix(PAGE)
    return f"{path}?{query}" if query else path


def _page_of_form(request: Request[Any, Any, Any]) -> str:
    """The address of the page on which a form stands; some forms are sent to another one."""
    path = _asked(request).partition("?")[0]
    parent, _, act = path.rpartition("/")
    if act in _ACTS:
        return parent
    return f"{parent}/new" if act in _HELPERS else path


def _sign_in_url(asked: str, url: str) -> str:
    """SIGN_IN_URL with the page that was asked for, as `portal-sessions` takes it."""
    if not url:
        return ""
    parts = urlsplit(url)
    known = f"{parts.query}&" if parts.query else ""
    return parts._replace(query=f"{known}return_to={quote(asked, safe='/')}").geturl()


def _may_be_framed(request: Request[Any, Any, Any], page: PageContext) -> bool:
    """Whether a frame may have asked; over plain HTTP browsers do not say (Fetch Metadata)."""
    destination = request.headers.get("sec-fetch-dest")
    if destination is None:
        return bool(page.config.frame_ancestors)
    return destination != "document"


def _explain(error: Exception, page: PageContext) -> tuple[int, str, str]:
    """(status, title, detail)."""
    title = ""
    match error:
        case AdminRequired():
            status, detail = error.status, error.detail
            title = Text("You need the admin role for this")
        case Refused():
            status, detail = error.status, error.detail
        case Uncertain():
            status, title = 503, Text("The change may not have been saved")
            advice = Text("Check whether it was saved before you try again.")
            detail = Sentences(error.detail, advice)
        case Unavailable():
            advice = Text("Nothing was changed. Try again in a moment.")
            status, detail = 503, Sentences(error.detail, advice)
        case HTTPException(status_code=404 | 405):
            status, detail = (
                404,
                Text("No page has this address. Check that the link is complete."),
            )
        case HTTPException(status_code=code) if code < HTTPStatus.INTERNAL_SERVER_ERROR:
            status, detail = code, error.detail
        case _:
            error_id = page.ids.new("err")
            # Not as exc_info: a renderer that shows local variables would show secrets.
            trace = "".join(traceback.format_exception(error))
            log.error("unexpected error in the settings page", error_id=error_id, trace=trace)
            status = 500
            detail = Text(
                "This is an error of the service, not yours. Go back and try again. If it happens "
                "again, give your administrator this id, which is in the service's log: {id}",
                id=error_id,
            )
    return status, title or _TITLES.get(status, Text("Something went wrong")), detail

"""Errors as pages: what happened in a sentence, and the way on."""

import traceback
from http import HTTPStatus
from typing import Any, Final

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from winnerr_webhooks.domain.errors import NotFound, Refused, Unavailable
from winnerr_webhooks.settings_page.guard import SignedOut
from winnerr_webhooks.settings_page.page_context import SEE_OTHER, Page

log = structlog.get_logger(__name__)

_TITLES: Final = {
    400: "That request makes no sense",
    403: "That is not yours to do",
    404: "There is nothing here",
    405: "There is nothing here",
    409: "Not in this state",
    413: "That is too long",
    422: "That cannot be taken",
    503: "The database gives no answer right now",
}


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The page for whatever was raised."""
    page: Page = request.app.state.page
    if isinstance(error, SignedOut):
        return _signed_out(request, page)
    status, detail = _explained(error, page)
    if request.headers.get("x-part"):
        return Response(detail, status_code=status, media_type="text/plain; charset=utf-8")
    headers = {"Retry-After": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    answer = page.answer(
        "error.html",
        request.scope.get("auth"),
        status=status,
        title=_TITLES.get(status, "Something went wrong here"),
        detail=detail,
        retry=request.url.path if status == HTTPStatus.SERVICE_UNAVAILABLE else None,
    )
    answer.headers.update(headers)
    return answer


def _signed_out(request: Request[Any, Any, Any], page: Page) -> Response[Any]:
    """Where to sign in. A form that came too late is told, not sent away with its input."""
    moves = request.method in ("GET", "HEAD") and not request.headers.get("x-part")
    if page.config.sign_in_url and moves:
        return Redirect(page.config.sign_in_url, status_code=SEE_OTHER)
    return page.answer("signed_out.html", None, status=HTTPStatus.UNAUTHORIZED, posted=not moves)


def _explained(error: Exception, page: Page) -> tuple[int, str]:
    match error:
        case NotFound():
            return 404, error.detail
        case Refused():
            return error.status, error.detail
        case Unavailable():
            return 503, f"{error.detail} Nothing was changed. Try again in a moment."
        case HTTPException(status_code=404 | 405):
            return 404, "This address belongs to no page. Perhaps the link was cut short."
        case HTTPException(status_code=status) if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return status, error.detail
        case _:
            error_id = page.ids.new("err")
            # Not as exc_info: a renderer that shows local variables would show secrets.
            trace = "".join(traceback.format_exception(error))
            log.error("unexpected error in the settings page", error_id=error_id, trace=trace)
            return 500, (
                f"The fault is ours, and the service's log has it as {error_id}. Go back and try "
                "again; if it stays, tell whoever runs this service that id."
            )

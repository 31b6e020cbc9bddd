"""The settings page as an ASGI application, mounted next to the API."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from winnerr_webhooks.config import Config
from winnerr_webhooks.management.page_options import PAGE
from winnerr_webhooks.settings_page.guard import authorize
from winnerr_webhooks.settings_page.page_context import SEE_OTHER, PageContext
from winnerr_webhooks.settings_page.page_errors import answer_error
from winnerr_webhooks.settings_page.session import ORGANIZATION, organization_path
from winnerr_webhooks.settings_page.views import (
    activity_list,
    alert_form,
    attempt_comparison,
    attempt_detail,
    bulk_replay,
    embed_script,
    event_detail,
    event_types,
    filter_help,
    log_download,
    log_list,
    receiver_check_form,
    rehearsal,
    sign_in_link,
    signature_check_form,
    static_files,
    test_event,
    webhook_actions,
    webhook_detail,
    webhook_form,
    webhook_list,
    webhook_recovery,
    webhook_secret,
)

_OF_ORGANIZATION: Final = re.compile(rf"{PAGE}/@([A-Za-z0-9_-]{{1,64}})(?=/|$)")
MAX_FORM_BYTES: Final = 65_536
"""Several times what a form with the longest URL, description and secret needs."""


class SettingsPage:
    """Answers every request under `/settings/webhooks`.

    Every answer, errors included, has the same security headers, unless a file says otherwise.
    They allow no inline script or style and nothing from other sites, framing only by
    `FRAME_ANCESTORS`, no guessing of content types, and no referrer.
    """

    def __init__(self, page: PageContext) -> None:
        self._page = page
        self._headers = _security_headers(page.config)
        self._app = _litestar(page)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        shorter = _without_empty_parameters(scope)
        organization = _take_organization(scope)

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [_moved(header, organization) for header in _each(message["headers"])]
                own = {name for name, _ in headers}
                headers += [header for header in self._headers if header[0] not in own]
                message = {**message, "headers": headers}
            await send(message)

        if shorter is not None:
            await send_with_headers(
                {
                    "type": "http.response.start",
                    "status": SEE_OTHER,
                    "headers": [shorter, (b"content-length", b"0")],
                }
            )
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send_with_headers)

    def stop(self) -> None:
        """End the live logs, so that they do not delay the node's stop."""
        self._page.stop()


def _each(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Each header; several cookies are one header a line (see `set_cookies`)."""
    for name, value in headers:
        for line in value.split(b"\n") if name == b"set-cookie" else (value,):
            yield name, line


def _without_empty_parameters(scope: Any) -> tuple[bytes, bytes] | None:
    """Where a GET leads whose address has parameters without a value; None when it has none.

    A form without JavaScript sends all its fields, and people share the address that it makes.
    """
    query = scope["query_string"]
    if scope["method"] != "GET" or not (b"=&" in query or query.endswith(b"=")):
        return None
    kept = b"&".join(part for part in query.split(b"&") if part.partition(b"=")[1:] != (b"=", b""))
    if kept == query:
        return None
    path = scope["raw_path"]
    return b"location", path + b"?" + kept if kept else path


def _take_organization(scope: Any) -> str | None:
    """Take `/@org_1` out of the address, so that routes need not know it; returns the id."""
    found = _OF_ORGANIZATION.match(scope["path"])
    if found is None:
        return None
    organization = found[1]
    own = organization_path(organization)
    scope["path"] = PAGE + scope["path"].removeprefix(own)
    scope["raw_path"] = PAGE.encode() + scope["raw_path"].removeprefix(own.encode())
    scope[ORGANIZATION] = organization
    return organization


def _moved(header: tuple[bytes, bytes], organization: str | None) -> tuple[bytes, bytes]:
    """Let a redirect stay at the organization's address."""
    name, value = header
    if organization is None or name != b"location" or not value.startswith(PAGE.encode()):
        return header
    return name, organization_path(organization).encode() + value.removeprefix(PAGE.encode())


def _page(state: State) -> PageContext:
    page: PageContext = state.page
    return page


def _litestar(page: PageContext) -> Litestar:
    app = Litestar(
        [
            *sign_in_link.ROUTES,
            *embed_script.ROUTES,
            *webhook_list.ROUTES,
            *webhook_detail.ROUTES,
            *webhook_actions.ROUTES,
            *webhook_form.ROUTES,
            *filter_help.ROUTES,
            *webhook_secret.ROUTES,
            *signature_check_form.ROUTES,
            *receiver_check_form.ROUTES,
            *event_types.ROUTES,
            *activity_list.ROUTES,
            *alert_form.ROUTES,
            *test_event.ROUTES,
            *log_download.ROUTES,
            *log_list.ROUTES,
            *attempt_detail.ROUTES,
            *attempt_comparison.ROUTES,
            *event_detail.ROUTES,
            *bulk_replay.ROUTES,
            *webhook_recovery.ROUTES,
            *rehearsal.ROUTES,
            *static_files.ROUTES,
        ],
        path=PAGE,
        guards=[authorize],
        dependencies={"page": Provide(_page, sync_to_thread=False)},
        exception_handlers={HTTPException: answer_error, Exception: answer_error},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_FORM_BYTES,
        debug=False,
    )
    app.state.page = page
    return app


def _security_headers(config: Config) -> list[tuple[bytes, bytes]]:
    ancestors = " ".join(config.frame_ancestors) or "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {ancestors}"
    )
    headers = {
        "cache-control": "no-store",
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
    }
    if not config.frame_ancestors:
        headers["x-frame-options"] = "DENY"
        headers["cross-origin-opener-policy"] = "same-origin"
    return [(name.encode(), value.encode()) for name, value in headers.items()]

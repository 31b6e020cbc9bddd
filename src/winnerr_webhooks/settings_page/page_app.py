"""The settings page as an ASGI application of its own, to be mounted beside the API."""

from typing import Any, Final

from litestar.di import Provide
from litestar.exceptions import HTTPException

from winnerr_webhooks.config import Config
from winnerr_webhooks.litestar_app import LitestarApp
from winnerr_webhooks.management.page_sign_in import PAGE
from winnerr_webhooks.settings_page.guard import enter
from winnerr_webhooks.settings_page.page_context import Page
from winnerr_webhooks.settings_page.page_errors import answer_error
from winnerr_webhooks.settings_page.views import (
    attempt_detail,
    bulk_replay,
    log_list,
    sign_in_link,
    webhook_detail,
    webhook_form,
    webhook_secret,
)

MAX_FORM: Final = 65_536
"""Bytes of a form: the longest URL, description and secret there can be, many times over."""


class SettingsPage:
    """Answers everything under `/settings/webhooks`.

    Every answer, errors included, carries the same strict headers: no inline script or style, no
    foreign script, no framing except by `FRAME_ANCESTORS`, nothing guessed, nothing referred.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._headers = _security_headers(page.config)
        self._app = _litestar(page)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0] != b"cache-control"]
                caching = [pair for pair in message["headers"] if pair[0] == b"cache-control"]
                caching = caching or [(b"cache-control", b"no-store")]
                message = {**message, "headers": [*kept, *caching, *self._headers]}
            await send(message)

        await self._app(scope, receive, guarded)

    def stop(self) -> None:
        """End the live streams, which would hold a stopping server up."""
        self._page.stop()


def _litestar(page: Page) -> LitestarApp:
    def provide() -> Page:
        return page

    app = LitestarApp(
        [
            *sign_in_link.ROUTES,
            *webhook_detail.ROUTES,
            *webhook_form.ROUTES,
            *webhook_secret.ROUTES,
            *log_list.ROUTES,
            *attempt_detail.ROUTES,
            *bulk_replay.ROUTES,
        ],
        path=PAGE,
        guards=[enter],
        dependencies={"page": Provide(provide, use_cache=True, sync_to_thread=False)},
        exception_handlers={HTTPException: answer_error, Exception: answer_error},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_FORM,
        debug=False,
    )
    app.state.page = page
    return app


def _security_headers(config: Config) -> list[tuple[bytes, bytes]]:
    ancestors = " ".join(config.frame_ancestors) or "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {ancestors}"
    )
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
    }
    if not config.frame_ancestors:
        headers["x-frame-options"] = "DENY"
        headers["cross-origin-opener-policy"] = "same-origin"
    return [(name.encode(), value.encode()) for name, value in headers.items()]

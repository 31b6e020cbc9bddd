"""The settings page as an ASGI application, mounted next to the API."""

from typing import Any, Final

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException

from winnerr_webhooks.config import Config
from winnerr_webhooks.management.page_sign_in import PAGE
from winnerr_webhooks.settings_page.guard import authorize
from winnerr_webhooks.settings_page.page_context import PageContext
from winnerr_webhooks.settings_page.page_errors import answer_error
from winnerr_webhooks.settings_page.views import (
    attempt_detail,
    bulk_replay,
    log_list,
    receiver_check_form,
    rehearsal,
    sign_in_link,
    signature_check_form,
    static_files,
    webhook_detail,
    webhook_form,
    webhook_list,
    webhook_recovery,
    webhook_secret,
)

MAX_FORM_BYTES: Final = 65_536
"""Several times what a form with the longest URL, description and secret needs."""


class SettingsPage:
    """Answers every request under `/settings/webhooks`.

    Every answer, errors included, has the same security headers. They allow no inline script or
    style and nothing from other sites, framing only by `FRAME_ANCESTORS`, no guessing of content
    types, and no referrer.
    """

    def __init__(self, page: PageContext) -> None:
        self._page = page
        self._headers = _security_headers(page.config)
        self._app = _litestar(page)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *self._headers]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def stop(self) -> None:
        """End the live logs, so that they do not delay the node's stop."""
        self._page.stop()


def _litestar(page: PageContext) -> Litestar:
    def provide() -> PageContext:
        return page

    app = Litestar(
        [
            *sign_in_link.ROUTES,
            *webhook_list.ROUTES,
            *webhook_detail.ROUTES,
            *webhook_form.ROUTES,
            *webhook_secret.ROUTES,
            *signature_check_form.ROUTES,
            *receiver_check_form.ROUTES,
            *log_list.ROUTES,
            *attempt_detail.ROUTES,
            *bulk_replay.ROUTES,
            *webhook_recovery.ROUTES,
            *rehearsal.ROUTES,
            *static_files.ROUTES,
        ],
        path=PAGE,
        guards=[authorize],
        dependencies={"page": Provide(provide, use_cache=True, sync_to_thread=False)},
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

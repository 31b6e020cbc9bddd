"""The hot road: `POST /api/v1/events` and its batch, as plain ASGI in front of all else.

Every event goes through here, so these two calls skip the framework: routing, dependency
injection and response objects would cost more than the rest of the work.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from winnerr_webhooks.api.auth import Authenticator, Caller
from winnerr_webhooks.api.bodies import Disconnected, read_body
from winnerr_webhooks.api.problems import MEDIA_TYPE, answer_to, method_not_allowed
from winnerr_webhooks.api.services import Services
from winnerr_webhooks.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Refused,
    Unavailable,
    WebhooksError,
)
from winnerr_webhooks.domain.event import Accepted, NewEvent, fingerprint, freeze
from winnerr_webhooks.domain.submission import Submission, read, read_batch

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MAX_EVENT: Final = 256 * 1024
MAX_BATCH: Final = 8 * 1024 * 1024
PATH: Final = "/api/v1/events"
BATCH_PATH: Final = "/api/v1/events/batch"

_GUARDED: Final[Headers] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_JSON: Final[Headers] = [(b"content-type", b"application/json"), *_GUARDED]
_PROBLEM: Final[Headers] = [(b"content-type", MEDIA_TYPE.encode()), *_GUARDED]


class EventIntake:
    """Both calls that take events in."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._services = services
        self._authenticator = authenticator
        self._calls: dict[str, Callable[[Any, Receive], Awaitable[bytes]]] = {
            PATH: self._one,
            BATCH_PATH: self._many,
        }

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request to PATH or BATCH_PATH (ASGI)."""
        headers = _JSON
        status = 202
        try:
            if scope["method"] != "POST":
                refusal = method_not_allowed("POST")
                body = 
        except Disconnected:
            return

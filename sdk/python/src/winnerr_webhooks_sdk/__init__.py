"""Receive and emit Winnerr Webhooks.

Receivers verify a request and get an event:

    webhook = Webhook(secret)
    event = webhook.verify(raw_body, request_headers)

Products emit events by `Emitter` or `AsyncEmitter`, or in a transaction of their own by
`winnerr_webhooks_sdk.outbox`. The event types are in `winnerr_webhooks_sdk.events`, helpers for
frameworks in `.starlette` (FastAPI too), `.django` and `.flask`, and `.testing` signs requests for
a receiver's own tests. Only the standard library is needed.
"""

from winnerr_webhooks_sdk.async_emitter import AsyncEmitter
from winnerr_webhooks_sdk.emitter import Emitter
from winnerr_webhooks_sdk.errors import EmitError, FieldError, Refused, Unavailable
from winnerr_webhooks_sdk.event import (
    Event,
    EventData,
    EventHeaders,
    KnownEvent,
    PayloadError,
    UnknownEvent,
)
from winnerr_webhooks_sdk.exchange import Accepted, Result
from winnerr_webhooks_sdk.new_event import NewEvent
from winnerr_webhooks_sdk.verification import Reason, VerificationError, Webhook

__version__ = "0.1.0"

__all__ = [
    "Accepted",
    "AsyncEmitter",
    "EmitError",
    "Emitter",
    "Event",
    "EventData",
    "EventHeaders",
    "FieldError",
    "KnownEvent",
    "NewEvent",
    "PayloadError",
    "Reason",
    "Refused",
    "Result",
    "Unavailable",
    "UnknownEvent",
    "VerificationError",
    "Webhook",
]

"""Payloads: from the bytes of a verified body to an event of its own class."""

from __future__ import annotations

import json

from winnerr_webhooks_sdk.event import Event, EventHeaders, PayloadError, UnknownEvent
from winnerr_webhooks_sdk.events import EVENT_CLASSES
from winnerr_webhooks_sdk.new_event import parse_rfc3339


def read_event(body: bytes, headers: EventHeaders) -> Event:
    """Parse a verified body; `PayloadError` if it is no event."""
    try:
        payload = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"The signature is right, but the body is not JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise PayloadError("The signature is right, but the body is not a JSON object.")
    event_type, timestamp, organization, data = (
        payload.get(key) for key in ("event", "timestamp", "organizationId", "data")
    )
    if not (
        isinstance(event_type, str)
        and isinstance(timestamp, str)
        and isinstance(organization, str)
        and isinstance(data, dict)
    ):
        raise PayloadError(
            "The signature is right, but the body lacks event, timestamp, organizationId or data."
        )
    try:
        happened_at = parse_rfc3339(timestamp)
    except ValueError as error:
        raise PayloadError(f"The signature is right, but its timestamp is not: {error}.") from None
    known = EVENT_CLASSES.get(event_type)
    if known is None:
        return UnknownEvent(event_type, happened_at, organization, data, headers, body)
    typed = known.data_class.from_json(data)
    return known(event_type, happened_at, organization, typed, headers, body)

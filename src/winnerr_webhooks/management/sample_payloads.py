"""The payload of a test event: an event type's example, or data that somebody wrote."""

import msgspec

from winnerr_webhooks.domain import submission
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import Invalid, Malformed, TooLarge
from winnerr_webhooks.domain.event import encode_payload, rfc3339
from winnerr_webhooks.domain.json_mistakes import json_mistake
from winnerr_webhooks.domain.text import Text


def example_data(catalog: Catalog, name: str) -> str:
    """Return the example data of an event type, indented. Raises `KeyError` for an unknown one."""
    event = catalog.get(name)
    if event is None:
        raise KeyError(name)
    return msgspec.json.format(event.example, indent=2).decode()


def sample_body(
    catalog: Catalog, name: str, organization: str, data: bytes | None, now_ms: int
) -> bytes:
    """Return the payload of a test; `data` is what the caller wrote, None for the example.

    Data has to pass the checks of every event, and arrives as it was written, less insignificant
    white space. Raises `Invalid` at /data.
    """
    timestamp = rfc3339(now_ms)
    if data is None:
        return catalog.example_body(name, organization, timestamp)
    try:
        msgspec.json.decode(data, type=msgspec.Raw)  # one value, which cannot end the object early
    except (msgspec.DecodeError, RecursionError) as error:
        reason = json_mistake(data.decode("utf-8", "replace"), error)
        raise Invalid.field("/data", Text("This is not JSON: {reason}.", reason=reason)) from None
    frame = msgspec.json.encode({"event": name, "organizationId": organization})
    try:
        read = submission.read(
            frame[:-1] + b',"data":' + data + b"}", catalog=catalog, now_ms=now_ms
        )
    except (Malformed, TooLarge) as refusal:
        raise Invalid.field("/data", refusal.detail) from None
    return encode_payload(name, timestamp, organization, read.data)

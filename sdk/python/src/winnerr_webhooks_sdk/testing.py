"""A test double for receivers: requests as Winnerr Webhooks sends them, signed by your secret.

body, headers = sign("contact.created", secret)
response = client.post("/hooks/winnerr", content=body, headers=headers)
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, NamedTuple, Optional, Union

from winnerr_webhooks_sdk.events import EVENT_CLASSES
from winnerr_webhooks_sdk.signatures import SecretKey, SignatureFormat


class SignedRequest(NamedTuple):
    """A request to send to a receiver under test."""

    body: bytes
    headers: Dict[str, str]


def sign(
    event: Union[str, bytes, Mapping[str, Any]],
    secret: str,
    *,
    next_secret: Optional[str] = None,
    organization: str = "org_abc123",
    event_id: Optional[str] = None,
    delivery_id: Optional[str] = None,
    attempt: int = 1,
    test: bool = False,
    signed_at: Optional[float] = None,
    header_prefix: str = "X-Winnerr-",
    signature_header: Optional[str] = None,
    signature_format: str = "sha256={hex}",
) -> SignedRequest:
    """Return the body and the headers of a delivery.

    `event` is an event type, for the catalogue's example of it; or a whole payload; or the bytes
    of one. With `next_secret` the request is signed as during a rotation. `signed_at` is the time
    of signing in seconds since 1970; left out, it is now.

    `ValueError` for an event type that this version does not know.
    """
    body = event if isinstance(event, bytes) else _encode(_payload(event, organization))
    keys = [SecretKey(one) for one in (secret, next_secret) if one is not None]
    event_id = event_id or f"evt_{secrets.token_hex(13)}"
    timestamp = str(int(time.time() if signed_at is None else signed_at))
    own_header = signature_header or f"{header_prefix}Signature"
    written = SignatureFormat(signature_format)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Winnerr-Webhooks/test",
        f"{header_prefix}Event": _event_type(body),
        f"{header_prefix}Delivery": delivery_id or f"dlv_{secrets.token_hex(13)}",
        f"{header_prefix}Webhook": "wh_test",
        f"{header_prefix}Attempt": str(attempt),
        own_header: written.write(keys[0].sign_body(body)),
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            f"v1,{key.sign_standard(event_id, timestamp, body)}" for key in keys
        ),
    }
    for key in keys[1:]:
        headers[f"{own_header}-Next"] = written.write(key.sign_body(body))
    if test:
        headers[f"{header_prefix}Test"] = "true"
    return SignedRequest(body, headers)


def _payload(event: Union[str, Mapping[str, Any]], organization: str) -> Mapping[str, Any]:
    if not isinstance(event, str):
        return event
    known = EVENT_CLASSES.get(event)
    if known is None:
        raise ValueError(
            f"This SDK knows no event {event!r}. Give a whole payload instead: a mapping with "
            "event, timestamp, organizationId and data."
        )
    return {
        "event": event,
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "organizationId": organization,
        "data": json.loads(known.example),
    }


def _encode(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def _event_type(body: bytes) -> str:
    try:
        return str(json.loads(body)["event"])
    except (ValueError, TypeError, KeyError):  # a test may send anything
        return "unknown"

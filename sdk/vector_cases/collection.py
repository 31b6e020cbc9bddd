"""The list of vectors: each is a request, a receiver's settings, and the right answer."""

import base64
import json
from typing import Any

from vector_cases.signing import BODY, ID, NOW, SIGNED_AT, TOLERANCE, WHSEC, Headers

Vector = dict[str, Any]


def event_of(body: bytes, *, verified_by_standard: bool, signed_at: int = SIGNED_AT) -> Vector:
    """What a receiver knows after a good verification."""
    payload = json.loads(body)
    data = body.decode().split(',"data":', 1)[1][:-1]
    return {
        "ok": True,
        "id": ID if verified_by_standard else None,
        "signedAt": signed_at if verified_by_standard else None,
        "event": payload["event"],
        "timestamp": payload["timestamp"],
        "organizationId": payload["organizationId"],
        "data": data,
    }


class Vectors:
    """Collects vectors, in the order they are made."""

    def __init__(self) -> None:
        self.all: list[Vector] = []

    def add(
        self,
        name: str,
        description: str,
        headers: Headers,
        expect: Vector,
        *,
        body: bytes = BODY,
        secrets: str | list[str] = WHSEC,
        tolerance: int = TOLERANCE,
        now: int = NOW,
        **options: object,
    ) -> None:
        """Add one; `options` are the settings of the receiver that are not the default."""
        self.all.append(
            {
                "name": name,
                "description": description,
                "body": base64.b64encode(body).decode(),
                "headers": headers,
                "secrets": [secrets] if isinstance(secrets, str) else secrets,
                "tolerance": tolerance,
                "now": now,
                "options": options,
                "expect": expect,
            }
        )

    def good(self, name: str, description: str, headers: Headers, **rest: Any) -> None:
        """Add a request that is verified by Standard Webhooks."""
        signed_at = rest.pop("signed_at", SIGNED_AT)
        body = rest.get("body", BODY)
        expect = event_of(body, verified_by_standard=True, signed_at=signed_at)
        self.add(name, description, headers, expect, **rest)

    def good_own(self, name: str, description: str, headers: Headers, **rest: Any) -> None:
        """Add a request that is verified by our own header alone."""
        body = rest.get("body", BODY)
        expect = event_of(body, verified_by_standard=False)
        self.add(name, description, headers, expect, **rest)

    def refused(
        self, name: str, reason: str, description: str, headers: Headers, **rest: Any
    ) -> None:
        """Add a request that is refused."""
        self.add(name, description, headers, {"ok": False, "reason": reason}, **rest)

    def unusable(
        self, name: str, error: str, description: str, headers: Headers, **rest: Any
    ) -> None:
        """Add something that is no refusal: a mistake of the receiver's code, or of the sender."""
        self.add(name, description, headers, {"ok": False, "error": error}, **rest)

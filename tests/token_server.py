"""An OAuth 2.0 token endpoint for tests, and a receiver that accepts its tokens only.

Both are real HTTP servers on loopback.
"""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from tests.receiver import Answer, Receiver, Request

CLIENT = ("crm client", "s3cret:+&=%")
"""Client ID and secret, with characters that must be encoded (RFC 6749, section 2.3.1)."""


class TokenServer(Receiver):
    """Issues tokens for client credentials, one after the other, and can revoke them."""

    def __init__(self) -> None:
        super().__init__()
        self.client = CLIENT
        self.valid: set[str] = set()
        """The tokens that are accepted now."""
        self.issued = 0
        self.fields: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        """What an answer has besides the token."""
        self.refusal: Answer | None = None
        """The answer in place of a token."""
        self.gate: asyncio.Event | None = None
        """If it is set, an answer waits for it."""
        self.answer = self._issue

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    def auth(self, **fields: str) -> dict[str, str]:
        """The authentication of a webhook that uses this server."""
        client_id, client_secret = self.client
        own = {"tokenUrl": self.url, "clientId": client_id, "clientSecret": client_secret}
        return {"type": "oauth2"} | own | fields

    def revoke_all(self) -> None:
        self.valid.clear()

    async def _issue(self, request: Request) -> Answer:
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal is not None:
            return self.refusal
        fields = parse_qs(request.body.decode())
        scheme, _, encoded = request["Authorization"].partition(" ")
        pair = base64.b64decode(encoded).decode().split(":")
        if scheme != "Basic" or tuple(map(unquote_plus, pair)) != self.client:
            return json_answer(401, {"error": "invalid_client"})
        if request.method != "POST" or fields.get("grant_type") != ["client_credentials"]:
            return json_answer(400, {"error": "unsupported_grant_type"})
        self.issued += 1
        token = f"t0ken-{self.issued}"
        self.valid.add(token)
        return json_answer(200, {"access_token": token} | self.fields)

    def guard(self, receiver: Receiver) -> None:
        """Let a receiver answer 401 to every request without a valid token."""

        def answer(request: Request) -> Answer:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            return Answer(200 if scheme == "Bearer" and token in self.valid else 401)

        receiver.answer = answer


def json_answer(status: int, content: object) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(content).encode())

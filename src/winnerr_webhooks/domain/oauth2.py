"""Client credentials of OAuth 2.0 (RFC 6749, section 4.4): the request for a token, and its answer.

The client authenticates by HTTP Basic (section 2.3.1). A token must be a bearer token (RFC 6750).
"""

import base64
import math
import re
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec

from winnerr_webhooks.domain.attempt import TOKEN_PHASE, Exchange, Failure
from winnerr_webhooks.domain.credentials import OAuth2Auth
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.url import Destination, parse_url

DEFAULT_LIFETIME: Final = 300.0
"""Seconds that a token is used if its answer has no `expires_in`."""
MARGIN: Final = 30.0
"""A token is replaced so many seconds before it expires, or a tenth of its lifetime if less."""
MAX_TOKEN: Final = 8_192
"""Characters of a token."""
_LONGEST: Final = 30 * 86_400.0
"""Seconds that a token is used at most."""
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_ERROR: Final = re.compile(r"[a-z_]{1,40}")
"""What an `error` that is shown may be (RFC 6749, section 5.2)."""
_ERRORS: Final = frozenset(
    ("invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type",
     "invalid_scope")
)  # fmt: skip
"""Those that have a diagnosis of their own."""

_ANSWERED: Final = Text("The token endpoint answered {status}.")
_ANSWERED_ERROR: Final = Text("The token endpoint answered {status} ({error}).")
_NO_TOKEN: Final = Text("The token endpoint answered {status} without a usable bearer token.")
_UNREACHED: Final = {
    "dns": Text("The host name of the token endpoint could not be looked up."),
    "blocked": Text("The token endpoint is at an address or port that is not allowed."),
    "connect": Text("The connection to the token endpoint failed."),
    "tls": Text("The TLS handshake with the token endpoint did not succeed."),
    "timeout": Text("The token endpoint took too long to answer."),
    "reset": Text("The connection to the token endpoint broke before it answered."),
    "protocol": Text("The token endpoint's answer is not valid HTTP/1.1."),
}
"""By the kind of failure of the exchange with it."""
TOKEN_TEXTS: Final = (_ANSWERED_ERROR, _NO_TOKEN, _ANSWERED, *_UNREACHED.values())
"""Every message of a `Failure` to get a token, which is stored in English."""


class IssuedToken(msgspec.Struct, frozen=True):
    """A token, as a token endpoint issued it."""

    value: str
    seconds: float
    """For how long it is used, counted from the request for it."""

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"IssuedToken(seconds={self.seconds})"


def token_request(auth: OAuth2Auth, user_agent: str) -> tuple[Destination, bytes, bytes]:
    """Return destination, head and body of a request for a token."""
    destination = parse_url(auth.token_url, allow_http=True)  # judged when it was saved
    pair = f"{quote_plus(auth.client_id)}:{quote_plus(auth.client_secret)}".encode()
    fields = {"grant_type": "client_credentials"} | ({"scope": auth.scope} if auth.scope else {})
    body = urlencode(fields).encode()
    head = (
        f"POST {destination.target} HTTP/1.1\r\n"
        f"Host: {destination.authority}\r\n"
        f"Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Accept: application/json\r\n"
        "Accept-Encoding: identity\r\n"
        f"User-Agent: {user_agent}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return destination, head.encode(), body


def read_answer(exchange: Exchange) -> IssuedToken | Failure:
    """Return the token of an answer (RFC 6749, section 5.1), or why there is none (section 5.2)."""
    status = exchange.status
    if status is None:
        return no_token(exchange.failure.kind if exchange.failure else "protocol")
    answer = _object(exchange.response_body)
    if not 200 <= status < 300:  # noqa: PLR2004  2xx
        error = answer.get("error")
        if not isinstance(error, str) or not _ERROR.fullmatch(error):
            return _failure("token_status", _ANSWERED.fill(status=status))
        message = _ANSWERED_ERROR.fill(status=status, error=error)
        return _failure(error if error in _ERRORS else "token_status", message)
    token, kind = answer.get("access_token"), answer.get("token_type")
    if (
        exchange.truncated
        or not isinstance(token, str)
        or len(token) > MAX_TOKEN
        or not _TOKEN.fullmatch(token)
        or not isinstance(kind, str)
        or kind.lower() != "bearer"
    ):
        return _failure("token_response", _NO_TOKEN.fill(status=status))
    return IssuedToken(token, _seconds_of_use(answer.get("expires_in")))


def no_token(kind: str) -> Failure:
    """Return the failure for a token endpoint with which an exchange failed, by its kind."""
    return _failure(f"token_{kind}", _UNREACHED[kind])


def _failure(code: str, message: Text) -> Failure:
    return Failure(kind="auth", message=str(message), phase=TOKEN_PHASE, code=code)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds_of_use(expires_in: Any) -> float:
    """Return how long a token is used. Some servers write the number as a string."""
    try:
        lifetime = DEFAULT_LIFETIME if expires_in is None else float(expires_in)
    except (TypeError, ValueError, OverflowError):
        lifetime = DEFAULT_LIFETIME
    if not math.isfinite(lifetime):
        lifetime = DEFAULT_LIFETIME
    lifetime = min(max(lifetime, 0.0), _LONGEST)
    return lifetime - min(MARGIN, lifetime / 10)

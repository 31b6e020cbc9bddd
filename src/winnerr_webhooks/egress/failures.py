"""Translates errors of the network, TLS and the HTTP parser into `Failure`s with a message."""

import errno
import ssl
from typing import Final

import httptools

from winnerr_webhooks.domain.attempt import Failure
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.egress.address_policy import REFUSALS
from winnerr_webhooks.egress.resolver import RESOLVE_MESSAGES, ResolveError

_UNREACHABLE: Final = frozenset(
    (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ETIMEDOUT, errno.EPERM)
)
"""EADDRNOTAVAIL here means no source address of this family. Without free ports it is a
`LocalShortage` instead."""

_CERTIFICATE_CODES: Final = {  # OpenSSL's X509_V_ERR_…
    9: "not_yet_valid",
    10: "expired",
    18: "self_signed",
    19: "unknown_ca",  # the root of the chain is self-signed and not a known authority
    20: "unknown_ca",
    21: "unknown_ca",
    62: "wrong_host",
    64: "wrong_host",
}
_NOT_TLS: Final = frozenset(
    ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
)
_CERTIFICATE_REQUIRED: Final = frozenset(("TLSV13_ALERT_CERTIFICATE_REQUIRED",))
_CERTIFICATE_REFUSED: Final = frozenset(
    (
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    )
)
"""Alerts of a receiver about our certificate (RFC 8446, section 6.2), as OpenSSL names them."""
_TLS_MESSAGES: Final = {
    "not_yet_valid": Text("The receiver's certificate is not valid yet."),
    "expired": Text("The receiver's certificate has expired."),
    "self_signed": Text("The receiver's certificate is self-signed."),
    "unknown_ca": Text(
        "The receiver's certificate is not issued by a known authority, "
        "or an intermediate certificate is missing."
    ),
    "wrong_host": Text("The receiver's certificate is for another host."),
    "not_tls": Text("The receiver does not speak TLS on this port."),
    "certificate_required": Text("The receiver asks for a client certificate."),
    "tls_failed": Text("The TLS handshake failed."),
}

_TIMEOUT_MESSAGES: Final = {
    "dns": Text("Looking up the host name took too long ({seconds} s)."),
    "connect": Text("The receiver did not accept the connection in time ({seconds} s)."),
    "tls": Text("The TLS handshake did not finish in time ({seconds} s)."),
    "send": Text("The receiver did not read the request in time ({seconds} s)."),
    "wait": Text("The receiver did not answer in time ({seconds} s)."),
    # The body has a time limit of its own.
    "body": Text("The answer's body did not end in time."),
}

_PROTOCOL_MESSAGES: Final = {
    "bad_status_line": Text("The answer does not begin with an HTTP/1.1 status line."),
    "bad_header": Text("The answer has a malformed header line."),
    "headers_too_large": Text("The answer's headers are larger than 32 KiB."),
    "too_many_headers": Text("The answer has more than 100 header lines."),
    "content_length_conflict": Text("The answer states its length more than once, or in two ways."),
    "bad_content_length": Text("The answer's Content-Length is not a number."),
    "bad_chunk": Text("The answer's chunked body is malformed."),
    "unexpected_upgrade": Text("The receiver switched to another protocol without being asked to."),
}

_CONNECT_MESSAGES: Final = {
    "refused": Text("The receiver refused the connection."),
    "unreachable": Text("The receiver cannot be reached over the network."),
    "connect_failed": Text("The connection to the receiver failed."),
}
_PROXY_MESSAGES: Final = {
    "proxy_could_not": Text(
        "The outgoing proxy could not connect to the receiver; it answered {status}."
    ),
    "proxy_refused": Text(
        "The outgoing proxy of this service refuses to connect to the receiver; it answered "
        "{status}."
    ),
    "proxy_closed": Text("The outgoing proxy of this service gave no answer to CONNECT."),
}
_TLS_CLOSED: Final = Text("The receiver closed the connection during the TLS handshake.")
_TLS_REFUSED: Final = Text("The receiver refused the client certificate: {reason}.")
_TLS_REASON: Final = Text("The TLS handshake failed: {reason}.")
_CLOSED_MESSAGES: Final = {
    True: Text("The receiver closed the connection while it was still answering."),
    False: Text("The receiver closed the connection before it answered."),
}
"""By whether it was answering already."""
_RESET_MESSAGES: Final = {
    True: Text("The connection was reset while it was still answering."),
    False: Text("The connection was reset before it answered."),
}
FAILURE_TEXTS: Final = (
    *_TLS_MESSAGES.values(),
    *_TIMEOUT_MESSAGES.values(),
    *_PROTOCOL_MESSAGES.values(),
    *_CONNECT_MESSAGES.values(),
    _TLS_CLOSED,
    _TLS_REFUSED,
    _TLS_REASON,
    *_CLOSED_MESSAGES.values(),
    *_RESET_MESSAGES.values(),
    *RESOLVE_MESSAGES.values(),
    *REFUSALS.values(),
)
"""Every message of a `Failure`, which is stored in English."""


class DialError(Exception):
    """No connection could be made; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def dns_failure(error: ResolveError) -> Failure:
    """Return the failure for a host name without an address."""
    return Failure(kind="dns", message=str(error), phase="dns", code=error.code)


def blocked_failure(refusal: str) -> Failure:
    """Return the failure for a destination that the address policy refuses."""
    return Failure(kind="blocked", message=str(REFUSALS[refusal]), phase="connect", code=refusal)


def connect_failure(error: OSError) -> Failure:
    """Return the failure for a TCP connect, without the error's text, which may have an address."""
    if isinstance(error, ConnectionRefusedError):
        code = "refused"
    elif error.errno in _UNREACHABLE:
        code = "unreachable"
    else:
        code = "connect_failed"
    message = str(_CONNECT_MESSAGES[code])
    return Failure(kind="connect", message=message, phase="connect", code=code)


def proxy_failure(code: str, status: int = 0) -> Failure:
    """Return the failure for a proxy that did not connect to the receiver."""
    message = str(_PROXY_MESSAGES[code].fill(status=status))
    return Failure(kind="connect", message=message, phase="connect", code=code)


def tls_failure(error: OSError, phase: str = "tls") -> Failure:
    """Return the failure for a TLS handshake, or for a refusal after it (TLS 1.3)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _CERTIFICATE_CODES.get(error.verify_code, "tls_failed")
    elif isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        code = "not_tls"
    elif isinstance(error, ssl.SSLError) and error.reason in _CERTIFICATE_REQUIRED:
        code = "certificate_required"
    elif isinstance(error, ssl.SSLError) and error.reason in _CERTIFICATE_REFUSED:
        reason = _words(error.reason).partition(" alert ")[2]
        message = str(_TLS_REFUSED.fill(reason=reason))
        return Failure(kind="tls", message=message, phase=phase, code="certificate_refused")
    else:
        code = "tls_failed"
    message = _TLS_MESSAGES[code]
    if not isinstance(error, ssl.SSLError):
        message = _TLS_CLOSED
    elif code == "tls_failed" and error.reason:  # such as "no shared cipher"
        message = _TLS_REASON.fill(reason=_words(error.reason))
    return Failure(kind="tls", message=str(message), phase=phase, code=code)


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


def timeout_failure(phase: str, seconds: float) -> Failure:
    """Return the failure for a deadline of `seconds` that passed in this phase."""
    message = str(_TIMEOUT_MESSAGES[phase].fill(seconds=f"{seconds:g}"))
    return Failure(kind="timeout", message=message, phase=phase, code=f"{phase}_timeout")


def reset_failure(phase: str, error: Exception | None) -> Failure:
    """Return the failure for a connection that ended too early; without `error` it was closed."""
    messages, code = (
        (_CLOSED_MESSAGES, "closed_early") if error is None else (_RESET_MESSAGES, "reset")
    )
    return Failure(kind="reset", message=str(messages[phase == "body"]), phase=phase, code=code)


def protocol_failure(code: str, phase: str = "wait") -> Failure:
    """Return the failure for a response that is not valid HTTP/1.1 or exceeds a limit."""
    return Failure(kind="protocol", message=str(_PROTOCOL_MESSAGES[code]), phase=phase, code=code)


def parser_failure(error: Exception, *, in_body: bool, in_status_line: bool) -> Failure:
    """Return the failure for an error of llhttp, whose kind shows only in its message."""
    if in_body:
        return protocol_failure("bad_chunk", "body")
    message = str(error)
    if (
        isinstance(error, httptools.HttpParserInvalidStatusError)
        or in_status_line
        or "response line" in message
    ):
        return protocol_failure("bad_status_line")
    if message.startswith(
        ("Invalid character in", "Empty Content-Length", "Content-Length overflow")
    ):
        return protocol_failure("bad_content_length")
    if "Content-Length" in message or "Transfer-Encoding" in message:
        return protocol_failure("content_length_conflict")
    return protocol_failure("bad_header")

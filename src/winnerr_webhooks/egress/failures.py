"""Translates errors of the network, TLS and the HTTP parser into `Failure`s with a message."""

import errno
import ssl
from typing import Final

import httptools

from winnerr_webhooks.domain.attempt import Failure
from winnerr_webhooks.egress.address_policy import REFUSALS
from winnerr_webhooks.egress.resolver import ResolveError

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
_TLS_MESSAGES: Final = {
    "not_yet_valid": "The receiver's certificate is not valid yet.",
    "expired": "The receiver's certificate has expired.",
    "self_signed": "The receiver's certificate is self-signed.",
    "unknown_ca": "The receiver's certificate is not issued by a known authority, "
    "or an intermediate certificate is missing.",
    "wrong_host": "The receiver's certificate is for another host.",
    "not_tls": "The receiver does not speak TLS on this port.",
    "tls_failed": "The TLS handshake failed.",
}

_TIMEOUT_MESSAGES: Final = {
    "dns": "Looking up the host name took too long",
    "connect": "The receiver did not accept the connection in time",
    "tls": "The TLS handshake did not finish in time",
    "send": "The receiver did not read the request in time",
    "wait": "The receiver did not answer in time",
    "body": "The answer's body did not end in time",
}

_PROTOCOL_MESSAGES: Final = {
    "bad_status_line": "The answer does not begin with an HTTP/1.1 status line.",
    "bad_header": "The answer has a malformed header line.",
    "headers_too_large": "The answer's headers are larger than 32 KiB.",
    "too_many_headers": "The answer has more than 100 header lines.",
    "content_length_conflict": "The answer states its length more than once, or in two ways.",
    "bad_content_length": "The answer's Content-Length is not a number.",
    "bad_chunk": "The answer's chunked body is malformed.",
    "unexpected_upgrade": "The receiver switched to another protocol without being asked to.",
}


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
    return Failure(kind="blocked", message=REFUSALS[refusal], phase="connect", code=refusal)


def connect_failure(error: OSError) -> Failure:
    """Return the failure for a TCP connect, without the error's text, which may have an address."""
    if isinstance(error, ConnectionRefusedError):
        message, code = "The receiver refused the connection.", "refused"
    elif error.errno in _UNREACHABLE:
        message, code = "The receiver cannot be reached over the network.", "unreachable"
    else:
        message, code = "The connection to the receiver failed.", "connect_failed"
    return Failure(kind="connect", message=message, phase="connect", code=code)


def tls_failure(error: OSError, phase: str = "tls") -> Failure:
    """Return the failure for a TLS handshake, or for a refusal after it (TLS 1.3)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _CERTIFICATE_CODES.get(error.verify_code, "tls_failed")
    elif isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        code = "not_tls"
    else:
        code = "tls_failed"
    message = _TLS_MESSAGES[code]
    if not isinstance(error, ssl.SSLError):
        message = "The receiver closed the connection during the TLS handshake."
    elif code == "tls_failed" and error.reason:  # such as "no shared cipher"
        message = f"{message[:-1]}: {error.reason.lower().replace('_', ' ')}."
    return Failure(kind="tls", message=message, phase=phase, code=code)


def timeout_failure(phase: str, seconds: float) -> Failure:
    """Return the failure for a deadline of `seconds` that passed in this phase."""
    # The body has a time limit of its own.
    limit = "" if phase == "body" else f" ({seconds:g} s)"
    message = f"{_TIMEOUT_MESSAGES[phase]}{limit}."
    return Failure(kind="timeout", message=message, phase=phase, code=f"{phase}_timeout")


def reset_failure(phase: str, error: Exception | None) -> Failure:
    """Return the failure for a connection that ended too early; without `error` it was closed."""
    where = "while it was still answering" if phase == "body" else "before it answered"
    if error is None:
        message, code = f"The receiver closed the connection {where}.", "closed_early"
    else:
        message, code = f"The connection was reset {where}.", "reset"
    return Failure(kind="reset", message=message, phase=phase, code=code)


def protocol_failure(code: str, phase: str = "wait") -> Failure:
    """Return the failure for a response that is not valid HTTP/1.1 or exceeds a limit."""
    return Failure(kind="protocol", message=_PROTOCOL_MESSAGES[code], phase=phase, code=code)


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

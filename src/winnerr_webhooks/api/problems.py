"""Errors as RFC 9457 problems: one table of kinds, one way from an exception to an answer."""

import traceback
from http import HTTPStatus
from typing import Final

import msgspec
import structlog

from winnerr_webhooks.domain.errors import (
    Conflict,
    ContentCoding,
    Forbidden,
    HeadTooLarge,
    Invalid,
    Malformed,
    Misdirected,
    NotFound,
    Outdated,
    Poisoned,
    Refused,
    TooLarge,
    TooSlow,
    TransferCoding,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from winnerr_webhooks.ids import Ids

MEDIA_TYPE: Final = "application/problem+json"
SAFE_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""On every answer: nobody may cache it, or guess another content type."""
HEADERS: Final = ((b"content-type", MEDIA_TYPE.encode()), *SAFE_HEADERS)
"""On every answer with a problem."""
DOCS: Final = "/api/docs"

log = structlog.get_logger(__name__)


class ProblemKind(msgspec.Struct, frozen=True):
    """A kind of problem; its `type` links to its explanation on the docs page."""

    slug: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """The problem's `type`: a URI reference that this server resolves (RFC 9457, 3.1.1)."""
        return f"{DOCS}#{self.slug}"


MALFORMED: Final = ProblemKind(
    "malformed", 400, "Malformed request", "The request is not HTTP, not JSON, or not UTF-8."
)
UNAUTHORIZED: Final = ProblemKind(
    "unauthorized", 401, "No valid API key", "No API key was sent, or it is unknown or revoked."
)
FORBIDDEN: Final = ProblemKind(
    "forbidden", 403, "Another organization's event", "The key is of another organization."
)
NOT_FOUND: Final = ProblemKind(
    "not-found",
    404,
    "Not found",
    "It does not exist, or it is of another organization than the key.",
)
METHOD_NOT_ALLOWED: Final = ProblemKind(
    "method-not-allowed",
    405,
    "Method not allowed",
    "The header Allow lists the methods that are allowed.",
)
TOO_SLOW: Final = ProblemKind(
    "too-slow",
    408,
    "Request timeout",
    "The request was not complete a minute after it began. Nothing was done, and the connection "
    "is closed.",
)
CONFLICT: Final = ProblemKind(
    "conflict",
    409,
    "Conflict",
    "It is not possible in the current state; `detail` says what to do.",
)
OUTDATED: Final = ProblemKind(
    "outdated",
    412,
    "Changed in between",
    "`If-Match` names another version than the current one. Nothing was done. Read it again.",
)
TOO_LARGE: Final = ProblemKind(
    "too-large", 413, "Too large", "The body has more bytes than allowed."
)
CONTENT_CODING: Final = ProblemKind(
    "content-coding",
    415,
    "Content coding not taken",
    "The request has a Content-Encoding. Nothing was done, and the connection is closed. Send "
    "the body uncompressed.",
)
MISDIRECTED: Final = ProblemKind(
    "misdirected",
    421,
    "Misdirected request",
    "Another node has the listener's stream, or it has ended. Nothing was done. Repeat the request "
    "on another connection.",
)
INVALID: Final = ProblemKind(
    "invalid",
    422,
    "Invalid input",
    "The input is wrong. Each of `errors` names a field: a JSON Pointer (RFC 6901) into the "
    "body, or a slash and the name of the parameter in path or query.",
)
HEAD_TOO_LARGE: Final = ProblemKind(
    "head-too-large",
    431,
    "Request head too large",
    "The request line and the headers have more than 64 KiB, or there are more than 100 headers. "
    "Nothing was done, and the connection is closed.",
)
INTERNAL: Final = ProblemKind(
    "internal",
    500,
    "Internal error",
    "A fault of this service. Its log has more under the id in `detail`.",
)
TRANSFER_CODING: Final = ProblemKind(
    "transfer-coding",
    501,
    "Transfer coding not taken",
    "The request has a Transfer-Encoding other than chunked. Nothing was done, and the "
    "connection is closed.",
)
UNAVAILABLE: Final = ProblemKind(
    "unavailable", 503, "Not now", "Nothing was done. Repeat after `Retry-After` seconds."
)
UNCERTAIN: Final = ProblemKind(
    "uncertain",
    503,
    "Perhaps done",
    "The connection to the database was lost during the commit. Repeat after `Retry-After` "
    "seconds. An event with the same `id` is accepted only once.",
)

KINDS: Final = (
    MALFORMED,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_SLOW,
    CONFLICT,
    OUTDATED,
    TOO_LARGE,
    CONTENT_CODING,
    MISDIRECTED,
    INVALID,
    HEAD_TOO_LARGE,
    INTERNAL,
    TRANSFER_CODING,
    UNAVAILABLE,
    UNCERTAIN,
)

_KIND_OF: Final[dict[type[Exception], ProblemKind]] = {
    Malformed: MALFORMED,
    Unauthorized: UNAUTHORIZED,
    Forbidden: FORBIDDEN,
    NotFound: NOT_FOUND,
    TooSlow: TOO_SLOW,
    Conflict: CONFLICT,
    Outdated: OUTDATED,
    TooLarge: TOO_LARGE,
    ContentCoding: CONTENT_CODING,
    Misdirected: MISDIRECTED,
    Invalid: INVALID,
    HeadTooLarge: HEAD_TOO_LARGE,
    TransferCoding: TRANSFER_CODING,
    Unavailable: UNAVAILABLE,
    Uncertain: UNCERTAIN,
}


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field."""

    pointer: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | msgspec.UnsetType = msgspec.UNSET


class ErrorAnswer(msgspec.Struct, frozen=True):
    """A problem with the headers it travels with."""

    problem: Problem
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The problem as JSON."""
        return msgspec.json.encode(self.problem, enc_hook=str)  # a `Text` is a string too


def answer_to(error: Exception, ids: Ids) -> ErrorAnswer:
    """The answer to any error; one that is not raised on purpose is logged under an id."""
    match error:
        case Refused() | Unavailable():
            return refused(error)
        case _:
            return _unexpected(error, ids)


def _kind_of(error: Exception) -> ProblemKind:
    return next(_KIND_OF[kind] for kind in type(error).__mro__ if kind in _KIND_OF)


def refused(error: Refused | Unavailable) -> ErrorAnswer:
    """The answer to a mistake of the caller, or to what cannot be done now."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, ContentCoding):
        headers["Accept-Encoding"] = "identity"  # RFC 9110, 12.5.3
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    problem = _problem(_kind_of(error), error.detail)
    if isinstance(error, Invalid):
        errors = [FieldProblem(*field) for field in error.errors]
        problem = msgspec.structs.replace(problem, errors=errors)
    return ErrorAnswer(problem, headers)


def nothing_here() -> ErrorAnswer:
    """404 for a path that does not exist."""
    return ErrorAnswer(
        _problem(NOT_FOUND, f"There is nothing at this path; {DOCS} lists all paths.")
    )


def of_status(status: int, detail: str) -> ErrorAnswer:
    """An error without a kind of its own: its title is that of the status (RFC 9457, 4.2.1)."""
    phrase = HTTPStatus(status).phrase
    return ErrorAnswer(Problem(type="about:blank", title=phrase, status=status, detail=detail))


def method_not_allowed(allowed: str) -> ErrorAnswer:
    """405 with the methods that are allowed (RFC 9110, section 15.5.6)."""
    problem = _problem(METHOD_NOT_ALLOWED, f"Only {allowed} is allowed here.")
    return ErrorAnswer(problem, {"Allow": allowed})


def _unexpected(error: Exception, ids: Ids) -> ErrorAnswer:
    error_id = ids.new("err")
    # Not as exc_info: a renderer that shows local variables would show keys and secrets.
    trace = "".join(traceback.format_exception(error))
    log.error("unexpected error in the API", error_id=error_id, trace=trace)
    if isinstance(error, Poisoned):
        return ErrorAnswer(_problem(INVALID, f"This input cannot be stored ({error_id})."))
    return ErrorAnswer(
        _problem(
            INTERNAL, f"Something went wrong in this service; its log has details under {error_id}."
        )
    )


def internal_error() -> ErrorAnswer:
    """The answer to a fault of this service that is logged without an id."""
    return ErrorAnswer(
        _problem(INTERNAL, "Something went wrong in this service; its log has the details.")
    )


def response(answer: ErrorAnswer, lines: bytes, *, head_only: bool = False) -> bytes:
    """The whole HTTP response, with header `lines` that each end with CRLF beside its own.

    The one to HEAD has no body, and the headers that the body would have (RFC 9110, 9.3.2).
    """
    body = answer.body
    own = [b"%b: %b\r\n" % header for header in HEADERS]
    own += [f"{name.lower()}: {value}\r\n".encode() for name, value in answer.headers.items()]
    status = answer.problem.status
    return b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\n%b\r\n%b" % (
        status,
        HTTPStatus(status).phrase.encode(),
        lines,
        len(body),
        b"".join(own),
        b"" if head_only else body,
    )


def _problem(kind: ProblemKind, detail: str) -> Problem:
    return Problem(type=kind.type, title=kind.title, status=kind.status, detail=detail)

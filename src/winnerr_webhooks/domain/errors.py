"""All errors that this product raises on purpose, in one tree.

    WebhooksError
    ├── Refused                the caller did something wrong; the API answers problem+json
    │   ├── Malformed          400  not HTTP, not JSON, or not UTF-8
    │   ├── Unauthorized       401  no API key, or a wrong one
    │   ├── Forbidden          403  the API key belongs to another organization
    │   ├── NotFound           404  there is nothing with this id
    │   ├── TooSlow            408  the request did not arrive in time
    │   ├── Conflict           409  not possible in the current state
    │   ├── Outdated           412  it was changed since the caller read it
    │   ├── TooLarge           413  the body is too large
    │   ├── ContentCoding      415  the body is compressed or encoded
    │   ├── Misdirected        421  another node has what the request is about
    │   ├── Invalid            422  the input is wrong, with an error for each field
    │   ├── HeadTooLarge       431  the request line and headers are too large
    │   └── TransferCoding     501  a transfer coding other than chunked
    ├── Unavailable            503  not possible now; nothing was done
    │   ├── TimedOut           503  the database did not finish in time; nothing was done
    │   └── Uncertain          503  the connection was lost in a commit; it may have been done
    ├── LocalShortage          this machine is out of descriptors, memory or ports; nothing sent
    ├── Poisoned               a batch fails because of its data, not because of the database
    ├── ConfigurationError     a setting or a key file is wrong; the start stops
    └── CannotStart            something that the start needs is not available at the moment

Adapters translate the errors of their libraries into these. A message is a sentence for the person
who reads it, and says what to do.
"""

from typing import NamedTuple


class FieldError(NamedTuple):
    """An error in one field: a JSON Pointer (RFC 6901) and a sentence."""

    pointer: str
    message: str


class WebhooksError(Exception):
    """The base class of all errors here."""


class Refused(WebhooksError):  # noqa: N818  the tree reads as sentences: raise Refused
    """The caller did something wrong. `status` is the HTTP status of the answer."""

    status = 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Malformed(Refused):
    """The request is not HTTP, or its body is not JSON, or not UTF-8."""

    status = 400


class Unauthorized(Refused):
    """There is no API key, or it is not valid."""

    status = 401


class Forbidden(Refused):
    """The API key is valid, but belongs to another organization."""

    status = 403


class NotFound(Refused):
    """The caller owns nothing with this id."""

    status = 404


class TooSlow(Refused):
    """The request did not arrive completely in time."""

    status = 408


class Conflict(Refused):
    """The call is not possible in the current state."""

    status = 409


class Outdated(Refused):
    """The caller changes a version that is no longer the current one."""

    status = 412


class TooLarge(Refused):
    """The body is larger than the limit."""

    status = 413


class ContentCoding(Refused):
    """The body has a Content-Encoding, which is not supported."""

    status = 415


class Misdirected(Refused):
    """Another node has what this request is about (RFC 9110, section 15.5.20)."""

    status = 421


class Invalid(Refused):
    """The input is wrong. `errors` lists the fields and says what to do."""

    status = 422

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors

    @classmethod
    def field(cls, pointer: str, message: str) -> "Invalid":
        """Create the error for one wrong field."""
        return cls(message, (FieldError(pointer, message),))


class HeadTooLarge(Refused):
    """The request line and headers are larger than the limit, or there are too many."""

    status = 431


class TransferCoding(Refused):
    """The body has a transfer coding other than chunked."""

    status = 501


class Unavailable(WebhooksError):  # noqa: N818  as above
    """Not possible now, and nothing was done. `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class TimedOut(Unavailable):
    """The database works, but did not finish this call in time; nothing was done.

    A caller with a batch can try again with smaller parts.
    """


class Uncertain(Unavailable):
    """The connection was lost during a commit, so the change may or may not be stored."""


class LocalShortage(WebhooksError):  # noqa: N818  as above
    """This machine is out of something an attempt needs: descriptors, memory, buffers or ports.

    Nothing was sent, and the receiver is not to blame. So this does not count as an attempt: the
    lease is released and the delivery is tried again. `code` is the operating system's name of the
    error, such as `EMFILE`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"This machine is out of something that an attempt needs ({code}).")
        self.code = code


class Poisoned(WebhooksError):  # noqa: N818  as above
    """The database refuses this batch because of its data; parts of it may be accepted."""


class ConfigurationError(WebhooksError):
    """A setting is wrong. The message names it and says what to do, in one line."""


class CannotStart(WebhooksError):  # noqa: N818  as above
    """Something the start needs is not available now: the database is down, or a port is taken.

    The same start may work in a minute, so a service manager should try again.
    """

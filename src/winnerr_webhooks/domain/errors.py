"""Every error this product raises on purpose, in one tree.

    WebhooksError
    ├── Refused                what a caller did wrong; the API turns each into a problem+json
    │   ├── Malformed          400  not HTTP, not JSON, or not UTF-8
    │   ├── Unauthorized       401  no key, or a wrong one
    │   ├── Forbidden          403  a key of another organization
    │   ├── NotFound           404  nothing of that id here
    │   ├── TooSlow            408  not whole in time
    │   ├── Conflict           409  the state forbids it
    │   ├── TooLarge           413
    │   ├── ContentCoding      415  a compressed body, or one coded otherwise
    │   ├── Invalid            422  everything else wrong with the input, field by field
    │   ├── HeadTooLarge       431  the request line with its headers, that is
    │   └── TransferCoding     501  one other than chunked
    ├── Unavailable            503  cannot be done now; nothing was done
    │   ├── TimedOut           503  the database works, but this was too much for its time
    │   └── Uncertain          503  the database was lost while committing
    ├── LocalShortage          this machine lacks descriptors, memory or ports; nothing was sent
    ├── Poisoned               a batch failed on its data, not on the database
    ├── ConfigurationError     a setting or a key file is wrong; the start stops
    └── CannotStart            the settings may be right; what the start needs is not there now

Adapters translate what their libraries raise into these at their boundary. Each message is a
sentence for the person who reads it, and says what to do.
"""

from typing import NamedTuple


class FieldError(NamedTuple):
    """What is wrong with one field: a JSON Pointer (RFC 6901) and a sentence."""

    pointer: str
    message: str


class WebhooksError(Exception):
    """Root of the tree."""


class Refused(WebhooksError):  # noqa: N818  the tree reads as sentences: raise Refused
    """The caller's doing; `status` is the HTTP status it becomes."""

    status = 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Malformed(Refused):
    """The request is not HTTP, or its body is not JSON, or not UTF-8."""

    status = 400


class Unauthorized(Refused):
    """No API key, or one that does not work."""

    status = 401


class Forbidden(Refused):
    """A good key, but of another organization."""

    status = 403


class NotFound(Refused):
    """Nothing of that id belongs to the caller."""

    status = 404


class TooSlow(Refused):
    """The request was not whole in time."""

    status = 408


class Conflict(Refused):
    """The state of the thing forbids the call."""

    status = 409


class TooLarge(Refused):
    """More bytes than are taken."""

    status = 413


class ContentCoding(Refused):
    """The body has a Content-Encoding; bodies are taken as they are."""

    status = 415


class Invalid(Refused):
    """The input is wrong; `errors` says which fields and what to do."""

    status = 422

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors

    @classmethod
    def field(cls, pointer: str, message: str) -> "Invalid":
        """One wrong field."""
        return cls(message, (FieldError(pointer, message),))


class HeadTooLarge(Refused):
    """The request line and the headers are larger, or more, than are taken."""

    status = 431


class TransferCoding(Refused):
    """The body has a transfer coding other than chunked."""

    status = 501


class Unavailable(WebhooksError):  # noqa: N818  as above
    """It cannot be done now and nothing was done; `retry_after` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class TimedOut(Unavailable):
    """The database answers, but did not finish this piece of work in time; nothing was done.

    A smaller part of the work may fit, so a caller with a batch tries again in parts.
    """


class Uncertain(Unavailable):
    """The connection was lost during a commit: it may or may not have been done."""


class LocalShortage(WebhooksError):  # noqa: N818  as above
    """This machine lacks something an attempt needs: descriptors, memory, buffers or ports.

    Nothing was sent and it says nothing about the receiver, so it is never an attempt: the lease
    is released and the delivery is tried again. `code` is the operating system's word for it.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"This machine lacks what an attempt needs ({code}).")
        self.code = code


class Poisoned(WebhooksError):  # noqa: N818  as above
    """The storage refuses this batch for what is in it; a part of it may be fine."""


class ConfigurationError(WebhooksError):
    """A setting is wrong; one line that names it and says what to do."""


class CannotStart(WebhooksError):  # noqa: N818  as above
    """What the start needs is not there now: a database that is late, a port that is taken.

    The same start may work in a minute, so a service manager should try again.
    """

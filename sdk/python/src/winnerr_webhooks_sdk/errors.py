"""What can go wrong when an event is emitted.

    EmitError
    ├── Refused        the API will not have this event; repeating it changes nothing
    └── Unavailable    the API could not be reached, or could not do it now; repeat it later

Arguments that no event can have, such as data that is no JSON, are `ValueError` or `TypeError`.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Tuple


class FieldError(NamedTuple):
    """What is wrong with one field: a JSON Pointer (RFC 6901) and a sentence."""

    pointer: str
    message: str


class EmitError(Exception):
    """An event was not accepted, as far as is known."""


class Refused(EmitError):  # noqa: N818  it reads as a sentence: raise Refused
    """The API refused the event, or the whole call; its text says what to do."""

    def __init__(
        self, status: int, title: str, detail: str, errors: Tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(status, title, detail, errors)
        self.status = status
        """The HTTP status, such as 422."""
        self.title = title
        self.detail = detail
        self.errors = errors
        """What is wrong field by field; pointers lead into the event."""

    def __str__(self) -> str:
        """Return one line with all that is known."""
        fields = "; ".join(
            f"{error.pointer or '(the whole event)'}: {error.message}" for error in self.errors
        )
        text = f"{self.status} {self.title}: {self.detail}"
        return f"{text} [{fields}]" if fields else text

    @classmethod
    def read(cls, problem: Mapping[str, Any], status: int) -> Refused:
        """Read a problem (RFC 9457)."""
        errors = tuple(
            FieldError(str(one.get("pointer", "")), str(one.get("message", "")))
            for one in problem.get("errors") or ()
            if isinstance(one, dict)
        )
        title, detail = str(problem.get("title", "Refused")), str(problem.get("detail", ""))
        said = problem.get("status")
        return cls(said if isinstance(said, int) else status, title, detail, errors)


class Unavailable(EmitError):  # noqa: N818  as above
    """The API did not accept the event in time; it may have, if an answer was lost.

    Emit it again with the same `id`, and it is accepted once.
    """

    def __init__(self, message: str, id: str) -> None:
        super().__init__(message, id)
        self.id = id
        """The id that the event was sent with, also where the emitter made it."""

    def __str__(self) -> str:
        """Return what happened and what to do."""
        return f"{self.args[0]} Emit it again with id={self.id!r}: then it is accepted once."

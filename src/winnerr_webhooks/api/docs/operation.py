"""The type of a documented operation, and values that many operations share."""

from typing import Any, Final

import msgspec

from winnerr_webhooks.api.problems import (
    INVALID,
    MALFORMED,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    UNCERTAIN,
    ProblemKind,
)

ORGANIZATION: Final = "/api/v1/organizations/{organizationId}"

READ: Final = (MALFORMED, NOT_FOUND, INVALID, UNAVAILABLE)
"""The errors of a call that reads."""
WRITE: Final = (MALFORMED, NOT_FOUND, TOO_LARGE, INVALID, UNAVAILABLE, UNCERTAIN)
"""The errors of a call that changes something."""

TEXT: Final = {"type": "string"}
TIME: Final = {"type": "string", "format": "date-time"}


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter or a header."""

    name: str
    description: str
    schema: dict[str, Any]
    location: str = "query"
    """`query` or `header`."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path, with its types, an example of each, and its errors."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_example: Any = None
    body_required: bool = True
    ndjson: bool = False
    """Whether the body can also be application/x-ndjson."""
    status: int = 200
    answer: Any = None
    answer_example: Any = None
    media_type: str = "application/json"
    refusals: tuple[ProblemKind, ...] = ()
    """The errors besides those of every call (408, 431, 500) and of every call with a key (401)."""
    needs_key: bool = True

"""An operation of the API as its documentation describes it, and what many of them share."""

from typing import Any, Final

import msgspec

from winnerr_webhooks.api.problems import (
    INVALID,
    MALFORMED,
    NOT_FOUND,
    TOO_LARGE,
    UNAVAILABLE,
    UNCERTAIN,
    Kind,
)

ORGANIZATION: Final = "/api/v1/organizations/{organizationId}"

READ: Final = (MALFORMED, NOT_FOUND, INVALID, UNAVAILABLE)
"""How a call that reads can be refused."""
WRITE: Final = (MALFORMED, NOT_FOUND, TOO_LARGE, INVALID, UNAVAILABLE, UNCERTAIN)
"""How a call that changes something can be refused."""

TEXT: Final = {"type": "string"}
MOMENT: Final = {"type": "string", "format": "date-time"}


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter or a header."""

    name: str
    text: str
    schema: dict[str, Any]
    place: str = "query"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str
    id: str
    tag: str
    summary: str
    text: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_example: Any = None
    body_required: bool = True
    ndjson: bool = False
    """Also taken as application/x-ndjson."""
    status: int = 200
    answer: Any = None
    answer_example: Any = None
    media_type: str = "application/json"
    refusals: tuple[Kind, ...] = ()
    """Besides 401 and 500, which every operation with a key has."""
    key: bool = True

"""An event on its way to the API."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Mapping, Optional, Union

MAX_EVENT = 256 * 1024
"""Bytes of the largest event that the API takes."""
_ORGANIZATION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID = re.compile(r"[ -~]{1,255}")
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_EVENT = re.compile(r"[a-z0-9._-]{1,128}")

Data = Union[Mapping[str, Any], bytes]
"""An event's data: a mapping, or JSON that is encoded already, to keep its digits and spelling."""


@dataclass(frozen=True)
class NewEvent:
    """An event to emit.

    `id` makes the call safe to repeat: the same id of the same organization is accepted once in 30
    days. Left out, each event gets one of its own. `happened_at` is an aware datetime; left out,
    it is the moment of acceptance.
    """

    event: str
    organization: str
    data: Data
    id: Optional[str] = None
    happened_at: Optional[datetime] = None


@dataclass(frozen=True)
class Submission:
    """An event as it is sent: checked, and encoded once for all repeats."""

    event: str
    organization: str
    id: str
    timestamp: Optional[str]
    data: str
    """JSON."""

    @property
    def body(self) -> bytes:
        """The event as the API takes it."""
        fields = [
            f'"event":{json.dumps(self.event)}',
            f'"organizationId":{json.dumps(self.organization)}',
            f'"data":{self.data}',
            f'"id":{json.dumps(self.id)}',
        ]
        if self.timestamp is not None:
            fields.append(f'"timestamp":"{self.timestamp}"')
        return f"{{{','.join(fields)}}}".encode()


def encode(event: NewEvent) -> Submission:
    """Check an event and encode it; `ValueError` or `TypeError` if no event can be like this."""
    if not _EVENT.fullmatch(event.event):
        raise ValueError(f"An event type is written like contact.created; {event.event!r} is not.")
    if not _ORGANIZATION.fullmatch(event.organization):
        raise ValueError(
            "An organization is 1 to 64 of A-Z a-z 0-9 _ -; "
            f"{event.organization[:80]!r} is not. Map your own names to such ids."
        )
    if event.id is not None and not _ID.fullmatch(event.id):
        raise ValueError(
            f"An event's id is 1 to 255 printable ASCII characters; {event.id[:80]!r} is not."
        )
    submission = Submission(
        event=event.event,
        organization=event.organization,
        id=str(uuid.uuid4()) if event.id is None else event.id,
        timestamp=None if event.happened_at is None else rfc3339(event.happened_at),
        data=_encode_data(event.data),
    )
    size = len(submission.body)
    if size > MAX_EVENT:
        raise ValueError(
            f"This event has {size:,} bytes, and the most is {MAX_EVENT:,}. Send less data, "
            "such as a link to it."
        )
    return submission


def rfc3339(moment: datetime) -> str:
    """Return a moment as the API takes it; `ValueError` for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(
            "happened_at has no time zone. Use datetime.now(timezone.utc), or add its tzinfo."
        )
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime:
    """Read what `rfc3339` wrote; `ValueError` for anything else."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a time such as 2025-01-15T14:23:00Z")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)


def _encode_data(data: Data) -> str:
    if isinstance(data, bytes):
        text = data.decode("utf-8")
        if not isinstance(json.loads(text, parse_constant=_no_constant), dict):
            raise ValueError("data is JSON, but no JSON object.")  # noqa: TRY004  its value is wrong
        return text
    if not isinstance(data, Mapping):
        raise TypeError(
            f"data is a mapping, or the bytes of a JSON object; this is a {type(data).__name__}."
        )
    try:
        text = json.dumps(dict(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except TypeError as error:
        raise TypeError(
            f"data holds what JSON has no form for: {error}. Turn dates and decimals into text or "
            "numbers first, or pass data as JSON in bytes."
        ) from error
    except UnicodeEncodeError as error:
        raise ValueError(f"data holds half a character, a lone surrogate: {error}.") from error
    except ValueError as error:
        raise ValueError(f"data cannot be JSON: {error}. NaN and infinity have no form.") from error
    return text


def _no_constant(name: str) -> None:
    raise ValueError(f"data holds {name}, which JSON has no form for.")

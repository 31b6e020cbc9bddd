"""Events: what a verified request says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar, Dict, Mapping, Optional, Type, TypeVar

from winnerr_webhooks_sdk.headers import Headers

_Data = TypeVar("_Data", bound="EventData")


class PayloadError(ValueError):
    """The signature is right, but the body is not an event.

    The sender signed something that is no payload of Winnerr Webhooks: a request of another
    product that uses the same secret.
    """


@dataclass(frozen=True)
class EventHeaders:
    """What headers say beside the body.

    `id` and `signed_at` were signed. The rest was not: use it to find things in logs and to drop
    repeats, not to decide what somebody may do.
    """

    id: Optional[str] = None
    """`evt_…`, the same on every delivery of this event; None without Standard Webhooks headers."""
    signed_at: Optional[datetime] = None
    """When this attempt was signed; None without Standard Webhooks headers."""
    delivery_id: Optional[str] = None
    """`dlv_…`, the same on every attempt and replay."""
    webhook_id: Optional[str] = None
    """`wh_…`, the webhook that this was sent for."""
    attempt: Optional[int] = None
    """1 for the first attempt."""
    test: bool = False
    """Whether somebody pressed *Send test event*."""

    @classmethod
    def read(
        cls, headers: Headers, prefix: str, event_id: Optional[str], signed_at: Optional[int]
    ) -> EventHeaders:
        """Take them from a request; a value that is not understood is left out."""
        attempt = headers.first(f"{prefix}Attempt") or ""
        return cls(
            id=event_id,
            signed_at=None
            if signed_at is None
            else datetime.fromtimestamp(signed_at, timezone.utc),
            delivery_id=headers.first(f"{prefix}Delivery"),
            webhook_id=headers.first(f"{prefix}Webhook"),
            attempt=int(attempt) if attempt.isascii() and attempt.isdigit() else None,
            test=headers.first(f"{prefix}Test") == "true",
        )


@dataclass(frozen=True)
class EventData:
    """An event's `data`, with an attribute for each field that the catalogue's example has.

    A field that is not there is None, and nothing checks that a value is of the kind the example
    has: receivers stay up when the product adds to its events.
    """

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The whole object as it came, fields that this version does not know included."""

    @classmethod
    def from_json(cls: Type[_Data], value: Mapping[str, Any]) -> _Data:
        """Take the fields from a parsed object."""
        values: Dict[str, Any] = {"raw": value}
        for one in fields(cls):
            if one.name != "raw":
                found = value.get(one.metadata.get("wire", one.name))
                read = one.metadata.get("read")
                values[one.name] = read(found) if read and isinstance(found, dict) else found
        return cls(**values)


def wire(name: str) -> Any:
    """Declare a field whose name in JSON is not its name in Python."""
    return field(default=None, metadata={"wire": name})


def nested(data_class: Type[EventData], name: str) -> Any:
    """Declare a field that is an object with fields of its own."""
    return field(default=None, metadata={"wire": name, "read": data_class.from_json})


def mapping_of(data_class: Type[EventData], name: str) -> Any:
    """Declare a field that is an object with any keys, whose values are objects of one kind."""

    def read(found: Dict[str, Any]) -> Dict[str, Any]:
        return {
            key: data_class.from_json(value) if isinstance(value, dict) else value
            for key, value in found.items()
        }

    return field(default=None, metadata={"wire": name, "read": read})


@dataclass(frozen=True)
class Event:
    """Something that happened, as a verified request tells it.

    Each event type has a class of its own, such as `ContactCreated`, so that `isinstance` tells
    them apart and a type checker knows the fields of `data`.
    """

    type: str
    """Such as `contact.created`."""
    timestamp: datetime
    """When it happened, in UTC."""
    organization_id: str
    data: Any
    headers: EventHeaders
    body: bytes = field(repr=False)
    """The raw body that was verified."""

    @property
    def id(self) -> Optional[str]:
        """`evt_…`, the same on every delivery of this event; None without signed headers."""
        return self.headers.id

    @property
    def delivery_id(self) -> Optional[str]:
        """`dlv_…`, the same on every attempt and replay: drop repeats by it."""
        return self.headers.delivery_id

    @property
    def test(self) -> bool:
        """Whether somebody pressed *Send test event*."""
        return self.headers.test

    @property
    def payload(self) -> Dict[str, Any]:
        """The whole payload, parsed."""
        parsed: Dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def exact_data(self) -> Dict[str, Any]:
        """`data` with numbers as they were written: `Decimal` where they are not whole.

        `data` itself has floats, in which 1e400 is infinite and 1.10 is 1.1.
        """
        parsed: Dict[str, Any] = json.loads(self.body, parse_float=Decimal)["data"]
        return parsed


@dataclass(frozen=True)
class UnknownEvent(Event):
    """An event of a type that this version of the SDK does not know."""

    data: Mapping[str, Any]


class KnownEvent(Event):
    """An event of a type that the catalogue had when this SDK was made."""

    event_type: ClassVar[str]
    data_class: ClassVar[Type[EventData]]
    example: ClassVar[str]
    """The catalogue's example of `data`, as JSON."""

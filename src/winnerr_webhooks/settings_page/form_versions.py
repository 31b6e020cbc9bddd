"""Keeps forms from being saved twice, and from undoing what somebody else has saved.

The form of a new webhook carries the id that the webhook will have, so sending it again makes no
second one. The form of a webhook that exists carries the values that it was opened with.
"""

import hmac
from typing import Any, Final

import msgspec

from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.session import Visitor

_LABELS: Final = {
    "url": Text("Destination URL"),
    "events": Text("Events"),
    "name": Text("Name"),
    "description": Text("Description"),
    "filter": Text("Event filter"),
    "signing": Text("Signature"),
    "headers": Text("Headers"),
    "auth": Text("Authentication"),
    "timeout": Text("Time limit"),
    "schedule": Text("Retries"),
    "waits": Text("Waits"),
    "rate": Text("Rate limit"),
    "order": Text("Order"),
    "order_path": Text("Path"),
}
_NUMBERS: Final = ("timeout", "waits", "rate")
_EMPTY: Final = "\u2013"


class Change(msgspec.Struct, frozen=True):
    """A field that was changed while a form was open."""

    label: str
    now: str
    """What is stored."""
    here: str
    """What the form has."""
    is_numeric: bool
    """Whether both are a number or several, with a decimal point."""


def new_token(visitor: Visitor, webhook_id: str) -> str:
    """The id of a new webhook, signed, so that a visitor cannot choose one."""
    return f"{webhook_id}.{_signature(visitor, webhook_id)}"


def read_token(visitor: Visitor, token: str) -> str | None:
    """The id in a token; None when it was not made for this visitor."""
    webhook_id, _, signature = token.partition(".")
    expected = _signature(visitor, webhook_id)
    genuine = hmac.compare_digest(signature.encode(), expected.encode())
    return webhook_id if genuine and is_id("wh", webhook_id) else None


def _signature(visitor: Visitor, webhook_id: str) -> str:
    message = f"new webhook {visitor.organization} {webhook_id}".encode()
    return hmac.new(visitor.csrf.encode(), message, "sha256").hexdigest()


def known_values(form_input: Any) -> str:
    """The values of a form as its hidden field holds them."""
    return msgspec.json.encode(_shown(form_input)).decode()


def changes_between(known: str, stored: Any, form_input: Any) -> list[Change]:
    """What was changed since a form was opened, and differs from what the form has.

    A form without `known`, which is of an older version of the page, has no changes.
    """
    try:
        opened_with = msgspec.json.decode(known, type=dict[str, str])
    except msgspec.DecodeError:
        return []
    now, here = _shown(stored), _shown(form_input)
    return [
        Change(_LABELS[field], now[field] or _EMPTY, here[field] or _EMPTY, field in _NUMBERS)
        for field in _LABELS
        if now[field] not in (opened_with.get(field), here[field])
    ]


def _shown(form_input: Any) -> dict[str, str]:
    values = {field: getattr(form_input, field) for field in _LABELS}
    # Only what a save could undo, and no secrets: the names of headers, and whether there is any
    # authentication. Values that the form does not give stay as they are.
    lines = values["headers"].splitlines()
    values["headers"] = [name for line in lines if (name := line.partition(":")[0].strip())]
    values["auth"] = "set" if values["auth"] else ""
    return {
        field: value if isinstance(value, str) else ", ".join(value)
        for field, value in values.items()
    }

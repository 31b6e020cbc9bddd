"""Operational events: a webhook is failing, has recovered, was disabled, or lost deliveries.

There is one for each change of a webhook's state, however many deliveries it has. The operator gets
it as an event of the organization `OPERATOR`; the organization gets it by mail.
"""

import re
from typing import Any, Final

import msgspec

OPERATOR: Final = "_operator"
"""The organization of the operational events. It belongs to the operator, not to a customer."""
OPERATOR_WEBHOOK: Final = "wh_" + "0" * 26
"""The id of the one webhook of `OPERATOR`, which OPERATIONAL_URL describes."""

WEBHOOK_FAILING: Final = "webhook.failing"
WEBHOOK_RECOVERED: Final = "webhook.recovered"
WEBHOOK_DISABLED: Final = "webhook.disabled"
DELIVERY_FAILED: Final = "delivery.failed"
OPERATIONAL_EVENTS: Final = (
    WEBHOOK_FAILING,
    WEBHOOK_RECOVERED,
    WEBHOOK_DISABLED,
    DELIVERY_FAILED,
)
"""All of them, in the order in which they are shown."""
USUAL_EVENTS: Final = (WEBHOOK_FAILING, WEBHOOK_RECOVERED, WEBHOOK_DISABLED)
"""What an organization is told if it does not say otherwise."""

FAILING_AFTER_MS: Final = 15 * 60_000
"""A webhook is failing after this long without a success."""
FAILING_ATTEMPTS: Final = 5
"""And after at least this many failed attempts in that time."""
FAILED_EVERY_MS: Final = 15 * 60_000
"""The shortest time between two events about failed deliveries of one webhook."""

MAX_EMAILS: Final = 10
"""How many addresses an organization can have, at most."""
_MAX_EMAIL: Final = 254
"""Characters of an address (RFC 5321, section 4.5.3.1.3, without the angle brackets)."""
_MAX_LOCAL: Final = 64
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
"""`local@domain`: a dot-atom (RFC 5322, section 3.2.3) and the name of a host, in ASCII."""


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an organization is told by mail, and where."""

    emails: tuple[str, ...] = ()
    """The addresses; none: no mail."""
    events: tuple[str, ...] = USUAL_EVENTS
    """Some of `OPERATIONAL_EVENTS`, in their order."""
    language: str | None = None
    """The language of the mails, one of `LANGUAGES`; None: DEFAULT_LANGUAGE."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An operational event."""

    id: str
    """`alr_…`: the same whenever it is sent again."""
    event: str
    """One of `OPERATIONAL_EVENTS`."""
    at: int
    """When it was found, ms."""
    data: str
    """The `data` of its payload: compact JSON."""


def is_email(text: str) -> bool:
    """Whether a text is an address that mail can be sent to.

    `=?` would begin an encoded word (RFC 2047): other characters than the text has.
    """
    local, _, _ = text.rpartition("@")
    return (
        "=?" not in text
        and len(text) <= _MAX_EMAIL
        and len(local) <= _MAX_LOCAL
        and _EMAIL.fullmatch(text) is not None
    )


def alert_data(
    organization: str, webhook: str, name: str | None, url: str, **details: Any
) -> dict[str, Any]:
    """Return the `data` of an operational event, with only the host of the webhook's URL.

    Its path or query can hold a password, and these events are forwarded by mail and chat.
    """
    return {
        "organizationId": organization,
        "webhookId": webhook,
        "webhookName": name,
        "webhookHost": host_of(url),
        **details,
    }


def host_of(url: str) -> str:
    """Return the host of a webhook's URL, which was checked when it was saved."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]

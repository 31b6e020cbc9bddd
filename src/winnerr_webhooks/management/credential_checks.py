"""Checks of the headers that a webhook adds to its requests, and of its authentication."""

import re
from typing import Final

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.credentials import MASK, Auth
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.text import Text, counted
from winnerr_webhooks.management.auth_checks import checked_auth
from winnerr_webhooks.management.webhook_drafts import AuthDraft

MAX_HEADERS: Final = 20
MAX_HEADER_NAME: Final = 128
MAX_HEADER_VALUE: Final = 4_096
MAX_HEADER_BYTES: Final = 16_384
"""Characters of all names and values together."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a token: RFC 9110, section 5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")


class CredentialChecks:
    """Checks headers and authentication. `branding` names the headers of the service itself."""

    def __init__(self, branding: Branding, clock: Clock) -> None:
        self._branding = branding
        self._clock = clock

    def check_headers(self, headers: dict[str, str] | None) -> dict[str, str]:
        """Return the headers; None removes all. Raises `Invalid` at each that is wrong."""
        if not headers:
            return {}
        errors = []
        if len(headers) > MAX_HEADERS:
            errors.append(
                FieldError(
                    "/headers",
                    counted(
                        "There is {count} header; {most} are the most.",
                        "There are {count} headers; {most} are the most.",
                        len(headers),
                        most=MAX_HEADERS,
                    ),
                )
            )
        elif sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADER_BYTES:
            errors.append(
                FieldError(
                    "/headers",
                    Text("The headers have more than {most:,} characters.", most=MAX_HEADER_BYTES),
                )
            )
        taken: set[str] = set()
        for name, value in headers.items():
            reason = self._wrong_name(name, taken) or _wrong_value(name, value)
            if reason:
                errors.append(FieldError(f"/headers/{_pointer(name)}", reason))
            taken.add(name.lower())
        if errors:
            raise Invalid(errors[0].message, tuple(errors))
        return headers

    def _wrong_name(self, name: str, taken: set[str]) -> str | None:
        if not _NAME.fullmatch(name) or len(name) > MAX_HEADER_NAME:
            return Text(
                "A header's name has 1 to {most} letters, digits, and characters such as - and _; "
                "no spaces and no colon.",
                most=MAX_HEADER_NAME,
            )
        if name.lower() in taken:
            return Text("{name} is given twice; case does not count. Remove one.", name=name)
        if self._branding.reserves(name):
            return Text(
                "{name} is set by the service itself, or belongs to HTTP. Remove it.", name=name
            )
        return None

    def check_auth(self, draft: AuthDraft | None) -> Auth | None:
        """Return the authentication; None removes it. Raises `Invalid` at each wrong field."""
        return None if draft is None else checked_auth(draft, self._clock.now_ms())


def _wrong_value(name: str, value: str) -> str | None:
    if value == MASK or (_VALUE.fullmatch(value) and len(value) <= MAX_HEADER_VALUE):
        return None
    return Text(
        "The value of {name} must have 1 to {most:,} printable ASCII characters on one line, "
        "without white space around it.",
        name=name,
        most=MAX_HEADER_VALUE,
    )


def _pointer(name: str) -> str:
    """Return a header's name as a part of a JSON Pointer (RFC 6901, section 3), shortened."""
    return name[:MAX_HEADER_NAME].replace("~", "~0").replace("/", "~1")

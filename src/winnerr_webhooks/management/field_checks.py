"""Checks of single input fields, and a collector that reports the errors of all fields at once."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from winnerr_webhooks.domain.alerts import OPERATOR
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.event_errors import IS_RESERVED, ORGANIZATION
from winnerr_webhooks.domain.text import Text

MAX_DESCRIPTION: Final = 500
_SUBJECTS: Final = {"description": Text("The description"), "name": Text("The name")}
MAX_KEY_NAME: Final = 100

V = TypeVar("V")
R = TypeVar("R")
D = TypeVar("D")


class FieldChecks:
    """Runs the checks of several fields, collects their errors, and raises them together."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    def run(self, check: Callable[[V], R], value: V, otherwise: D) -> R | D:
        """Return what `check` returns for the value; `otherwise` if it raises `Invalid`."""
        try:
            return check(value)
        except Invalid as refusal:
            self._errors += refusal.errors
            return otherwise

    async def wait(self, check: Awaitable[R], otherwise: D) -> R | D:
        """Return the result of an asynchronous check; `otherwise` if it raises `Invalid`."""
        try:
            return await check
        except Invalid as refusal:
            self._errors += refusal.errors
            return otherwise

    def refuse(self, pointer: str, message: str) -> None:
        """Add an error."""
        self._errors.append(FieldError(pointer, message))

    def done(self) -> None:
        """Raise `Invalid` with all errors, if there are any."""
        if not self._errors:
            return
        count = len(self._errors)
        detail = (
            self._errors[0].message
            if count == 1
            else Text("{count} fields are wrong.", count=count)
        )
        raise Invalid(detail, tuple(self._errors))


def check_organization(text: str, pointer: str = "/organizationId") -> str:
    """Return the id of a customer's organization. Raises `Invalid` at `pointer`."""
    if text == OPERATOR:
        raise Invalid.field(pointer, IS_RESERVED)
    if not ORGANIZATION.fullmatch(text):
        raise Invalid.field(
            pointer, Text("An organization id has 1 to 64 of the characters A-Z a-z 0-9 _ and -.")
        )
    return text


def check_event(catalog: Catalog, name: str, pointer: str = "/event") -> str:
    """Return the name of an existing event type. Raises `Invalid` at `pointer`."""
    if catalog.get(name) is None:
        raise Invalid.field(pointer, catalog.no_event(name))
    return name


def check_logged_event(catalog: Catalog, name: str, pointer: str = "/event") -> str:
    """Return a name or a pattern of events that the log can have. Raises `Invalid` at `pointer`."""
    if not catalog.may_be_logged(name):
        raise Invalid.field(pointer, catalog.no_event(name))
    return name


def check_any_organization(text: str, pointer: str = "/organizationId") -> str:
    """Return the id of an organization that one can read: a customer's or `OPERATOR`."""
    return text if text == OPERATOR else check_organization(text, pointer)


def check_description(text: str | None) -> str | None:
    """Return a stripped one-line description; None if it is empty. Raises `Invalid`."""
    return check_one_line(text, "description", MAX_DESCRIPTION)


def check_one_line(text: str | None, field: str, longest: int) -> str | None:
    """Return a stripped text of one line; None if it is empty. Raises `Invalid` at the field."""
    if text is None or not (text := text.strip()):
        return None
    if len(text) > longest:
        long = Text(
            "{field} has {count:,} characters; shorten it to {most}.",
            field=_SUBJECTS[field],
            count=len(text),
            most=longest,
        )
        raise Invalid.field(f"/{field}", long)
    if not text.isprintable():
        raise Invalid.field(
            f"/{field}",
            Text(
                "{field} has a line break or an invisible control character; remove it.",
                field=_SUBJECTS[field],
            ),
        )
    return text


def check_key_name(text: str) -> str:
    """Return the stripped name of an API key. Raises `Invalid` at /name."""
    if not (text := text.strip()) or len(text) > MAX_KEY_NAME or not text.isprintable():
        raise Invalid.field(
            "/name", f"The name of a key has 1 to {MAX_KEY_NAME} printable characters on one line."
        )
    return text

"""Rules of single fields that webhooks and keys share, and how several errors become one."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.event_errors import ORGANIZATION

MAX_DESCRIPTION: Final = 500
MAX_KEY_NAME: Final = 100

V = TypeVar("V")
R = TypeVar("R")
D = TypeVar("D")


class FieldChecks:
    """Runs the checks of a form's fields and tells all that is wrong at once."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    def run(self, check: Callable[[V], R], value: V, otherwise: D) -> R | D:
        """What `check` makes of the value; `otherwise` when it refuses, which is kept."""
        try:
            return check(value)
        except Invalid as refusal:
            self._errors += refusal.errors
            return otherwise

    async def wait(self, check: Awaitable[R], otherwise: D) -> R | D:
        """`run` for a check that looks something up."""
        try:
            return await check
        except Invalid as refusal:
            self._errors += refusal.errors
            return otherwise

    def refuse(self, pointer: str, message: str) -> None:
        """Keep one more error."""
        self._errors.append(FieldError(pointer, message))

    def done(self) -> None:
        """`Invalid` with every error kept; nothing when there is none."""
        if not self._errors:
            return
        count = len(self._errors)
        detail = self._errors[0].message if count == 1 else f"{count} fields are wrong."
        raise Invalid(detail, tuple(self._errors))


def check_organization(text: str, pointer: str = "/organizationId") -> str:
    """An organization's id, as CONTRACT allows it; `Invalid` at `pointer` else."""
    if not ORGANIZATION.fullmatch(text):
        raise Invalid.field(
            pointer, "An organization id is 1 to 64 of the characters A-Z a-z 0-9 _ and -."
        )
    return text


def check_event(catalog: Catalog, name: str, pointer: str = "/event") -> str:
    """The name of an event type there is; `Invalid` at `pointer`, with the nearest ones, else."""
    if catalog.get(name) is None:
        near = catalog.nearest(name)
        meant = f"Did you mean {' or '.join(near)}?" if near else "See GET /api/v1/event-types."
        raise Invalid.field(pointer, f"There is no event {name[:80]!r}. {meant}")
    return name


def check_description(text: str | None) -> str | None:
    """One line for people; empty is none. `Invalid` at /description."""
    if text is None or not (text := text.strip()):
        return None
    if len(text) > MAX_DESCRIPTION:
        raise Invalid.field(
            "/description",
            f"The description has {len(text)} characters; shorten it to {MAX_DESCRIPTION}.",
        )
    if not text.isprintable():
        raise Invalid.field(
            "/description",
            "The description holds a line break or an invisible control character; remove it.",
        )
    return text


def check_key_name(text: str) -> str:
    """What an operator calls a key. `Invalid` at /name."""
    if not (text := text.strip()) or len(text) > MAX_KEY_NAME or not text.isprintable():
        raise Invalid.field(
            "/name", f"A key's name is 1 to {MAX_KEY_NAME} printable characters on one line."
        )
    return text

"""Checks of what a webhook can have of its own: a name, a time limit, a schedule of retries."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.event_filter import check_filter
from winnerr_webhooks.domain.event_order import check_order
from winnerr_webhooks.domain.retry import LONG, STANDARD, RetrySchedule, longest_span, waits_of
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import ACTIVE, PAUSED
from winnerr_webhooks.management.credential_checks import CredentialChecks
from winnerr_webhooks.management.field_checks import FieldChecks, check_one_line
from winnerr_webhooks.management.webhook_drafts import RateLimitDraft, WebhookDraft, WebhookPatch

MAX_NAME: Final = 80
SHORTEST_TIMEOUT: Final = 1.0
MOST_RETRIES: Final = 20
LONGEST_WAIT: Final = 7 * 86_400
"""Seconds before one retry, at most."""
LOWEST_RATE: Final = 0.1
HIGHEST_RATE: Final = 1_000.0
"""Attempts a second of a rate limit."""
_DAY: Final = 86_400


class OptionChecks:
    """Checks a webhook's options against the limits of this service."""

    def __init__(
        self, *, timeout: float, retention_days: int, branding: Branding, clock: Clock
    ) -> None:
        self._credentials = CredentialChecks(branding, clock)
        self._timeout = timeout
        self._retention_days = retention_days

    def check(self, checks: FieldChecks, draft: WebhookDraft | WebhookPatch) -> dict[str, Any]:
        """Return the options that a draft sets, by name; `checks` collects what is wrong."""
        if draft.status not in (UNSET, ACTIVE, PAUSED):
            checks.refuse("/status", Text("`status` can be set to `active` or `paused`."))
        options: dict[str, Any] = {"status": draft.status}
        fields: dict[str, Callable[[Any], Any]] = {
            "name": check_name,
            "timeout": self.check_timeout,
            "retry_schedule": self.check_schedule,
            "headers": self._credentials.check_headers,
            "auth": self._credentials.check_auth,
            "filter": check_optional_filter,
            "rate_limit": check_rate_limit,
        }
        for field, check in fields.items():
            value = getattr(draft, field)
            options[field] = value if value is UNSET else checks.run(check, value, None)
        if draft.ordered is not UNSET:
            options["order_by"] = checks.run(check_order, draft.ordered, None)
        return {field: value for field, value in options.items() if value is not UNSET}

    def check_timeout(self, seconds: float | None) -> float | None:
        """Return a time limit in seconds; None is that of the service. Raises `Invalid`."""
        shortest = min(SHORTEST_TIMEOUT, self._timeout)
        if seconds is not None and not shortest <= seconds <= self._timeout:
            raise Invalid.field(
                "/timeout",
                Text(
                    "The time limit must be from {least:g} to {most:g} seconds. Without one, it is "
                    "{most:g} seconds.",
                    least=shortest,
                    most=self._timeout,
                ),
            )
        return seconds

    def check_schedule(self, schedule: str | list[float]) -> RetrySchedule:
        """Return a schedule of retries. Raises `Invalid`, at the wait that is wrong."""
        if isinstance(schedule, str):
            if schedule not in (STANDARD, LONG):
                raise _refused_schedule(
                    Text(
                        "`retrySchedule` must be `standard`, `long`, or a list with the seconds "
                        "before each retry."
                    )
                )
            if schedule == LONG:
                self._check_span(waits_of(schedule, ()))
            return schedule
        if len(schedule) > MOST_RETRIES:
            raise _refused_schedule(
                Text(
                    "The schedule has {count:,} retries; {most} are the most.",
                    count=len(schedule),
                    most=MOST_RETRIES,
                )
            )
        wrong = [
            FieldError(
                f"/retrySchedule/{index}",
                Text(
                    "Retry {number} must wait for more than 0 seconds and at most {most} (7 days).",
                    number=index + 1,
                    most=LONGEST_WAIT,
                ),
            )
            for index, seconds in enumerate(schedule)
            if not 0 < seconds <= LONGEST_WAIT
        ]
        if wrong:
            raise Invalid(wrong[0].message, tuple(wrong))
        self._check_span(tuple(schedule))
        return tuple(schedule)

    def _check_span(self, waits: tuple[float, ...]) -> None:
        days = longest_span(waits) / _DAY
        if days > self._retention_days:
            raise _refused_schedule(
                Text(
                    "The retries can take {days:.1f} days, but attempts are only kept for "
                    "{kept:,}. Use fewer retries or shorter waits.",
                    days=days,
                    kept=self._retention_days,
                )
            )


def check_name(text: str | None) -> str | None:
    """Return a webhook's stripped name; None if it is empty. Raises `Invalid` at /name."""
    return check_one_line(text, "name", MAX_NAME)


def check_rate_limit(draft: RateLimitDraft | None) -> float | None:
    """Return the attempts a second; None is no limit. Raises `Invalid` at /rateLimit/perSecond."""
    if draft is None:
        return None
    if not LOWEST_RATE <= draft.per_second <= HIGHEST_RATE:
        raise Invalid.field(
            "/rateLimit/perSecond",
            Text(
                "The rate limit must be from {least:g} to {most:g} attempts a second. To send as "
                "many as the receiver takes, leave it out.",
                least=LOWEST_RATE,
                most=HIGHEST_RATE,
            ),
        )
    return draft.per_second


def check_optional_filter(text: str | None) -> str | None:
    """Return an event filter; None removes it. Raises `Invalid` below /filter."""
    return None if text is None else check_filter(text)


def _refused_schedule(message: str) -> Invalid:
    return Invalid.field("/retrySchedule", message)

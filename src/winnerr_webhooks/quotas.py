"""Quotas: count how much of a bound is in use, in all (`Budget`) and by organization (`Usage`).

A quota is the most that one organization may hold of what it could otherwise use up alone. This
module defines the classes; `budgets` has all budgets of a node, with their limits and quotas.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from winnerr_webhooks.clock import Clock

LOG_EVERY: Final = 60.0
"""Seconds between two log lines about the same exhausted budget."""

log = structlog.get_logger(__name__)


class Bound(NamedTuple):
    """What a node does or holds at once, at most; `winnerr-webhooks config` shows these fields."""

    name: str
    """The label of its metrics, and its line in `winnerr-webhooks config`."""
    limit: int
    unit: str
    source: str
    """Where the limit comes from: a constant, a setting, or what the machine allows."""
    spender: str
    """The module that spends it."""
    when_spent: str
    """What happens to the work that does not fit, as a sentence."""
    quota: int = 0
    """How much one organization may hold. If it is 0, one organization may hold all of it."""


class Budget:
    """A bound with what is in use of it now. It belongs to the thread of the event loop.

    A spender that may refuse work calls `take`, and `take_for` where organizations have quotas. One
    that counts what is already here adds it to the `Usage` of its organization. Such a budget is
    `under_pressure` while more than half of it is in use: its quotas are then smaller, by the
    factor `pressure`.
    """

    __slots__ = (
        "_clock",
        "_largest_quota",
        "_logged_at",
        "_measure",
        "_pressure",
        "_usages",
        "bound",
        "half",
        "quota",
        "refused",
        "under_pressure",
        "used",
    )

    def __init__(self, bound: Bound, clock: Clock, *, pressure: int = 1) -> None:
        self.bound = bound
        self.used = 0
        """Units taken and not released; a spender on the road of an event counts here itself."""
        self.refused = 0
        """How often something did not fit."""
        self.under_pressure = False
        self.quota = self._largest_quota = bound.quota or bound.limit
        """The most that one organization may hold now."""
        self.half = bound.limit // 2
        self._pressure = pressure
        self._clock = clock
        self._usages: dict[str, Usage] = {}
        self._logged_at = float("-inf")
        self._measure: Callable[[], float] | None = None

    @property
    def in_use(self) -> float:
        """Units in use now."""
        return self.used if self._measure is None else self._measure()

    @property
    def free(self) -> int:
        """How many more units fit."""
        return max(self.bound.limit - self.used, 0)

    @property
    def overdrawn(self) -> bool:
        """Whether more is in use than the limit allows: what is already here is always counted."""
        return self.used > self.bound.limit

    def measure(self, in_use: Callable[[], float]) -> None:
        """Read `in_use` from a spender that has the number anyway."""
        self._measure = in_use

    def take(self, units: int = 1) -> bool:
        """Spend `units`; False when they do not fit, and that is counted and logged."""
        if self.used + units > self.bound.limit:
            self.refuse()
            return False
        self.used += units
        return True

    def release(self, units: int = 1) -> None:
        """Count `units` as free again."""
        self.used -= units

    def set_pressure(self, *, on: bool) -> None:
        """Note whether more than half is in use: every quota changes with it."""
        self.under_pressure = on
        self.quota = self._largest_quota // (self._pressure if on else 1)
        for usage in self._usages.values():
            usage.update()

    # --- of one organization ------------------------------------------------------------------

    def take_for(self, organization: str, units: int = 1) -> bool:
        """Spend `units` of this organization's quota; False when they do not fit."""
        usage = self._usages.get(organization) or Usage(self, organization)
        if usage.held + units > self.quota:
            self.refuse(organization)
            return False
        if not self.take(units):
            return False
        usage.held += units
        self._usages[organization] = usage
        return True

    def release_for(self, organization: str, units: int = 1) -> None:
        """Release `units` that were taken for this organization."""
        self.release(units)
        usage = self._usages[organization]
        usage.held -= units
        if not usage.held:
            del self._usages[organization]

    def held_by(self, organization: str) -> int:
        """Units that this organization holds."""
        usage = self._usages.get(organization)
        return 0 if usage is None else usage.held

    def free_for(self, organization: str) -> int:
        """How many more units this organization may hold."""
        usage = self._usages.get(organization)
        if usage is None:
            return self.quota
        return 0 if usage.exhausted else self.quota - usage.held

    def track(self, organization: str, on_change: Callable[[], None]) -> "Usage":
        """Count what this organization holds until `untrack`; see `Usage`."""
        usage = self._usages[organization] = Usage(self, organization, on_change)
        return usage

    def untrack(self, usage: "Usage") -> None:
        """Forget an organization that holds nothing."""
        del self._usages[usage.organization]

    def refuse(self, organization: str | None = None) -> None:
        """Count work that did not fit, and log it at most once a minute."""
        self.refused += 1
        now = self._clock.monotonic()
        if now - self._logged_at < LOG_EVERY:
            return
        self._logged_at = now
        bound = self.bound
        of_one = {"organization": organization} if organization is not None else {}
        log.warning(
            "a budget is spent",
            budget=bound.name,
            limit=bound.quota if of_one else bound.limit,
            unit=bound.unit,
            then=bound.when_spent,
            **of_one,
        )


class Usage:
    """What one organization holds of a budget, and whether it may hold more.

    `on_change` is called when that may have changed. The quota is exhausted once it is held in
    full, and no longer when a quarter of it is free, so that this does not change with every unit.
    The pressure on a budget ends in the same way, a quarter below where it begins.
    """

    __slots__ = ("_budget", "_on_change", "exhausted", "held", "organization")

    def __init__(
        self, budget: Budget, organization: str, on_change: Callable[[], None] | None = None
    ) -> None:
        self.organization = organization
        self.held = 0
        """Units that the organization holds."""
        self.exhausted = False
        self._budget = budget
        self._on_change = on_change

    def add(self, units: int) -> None:
        """Count `units` that are here, whether or not they fit."""
        budget = self._budget
        self.held = held = self.held + units
        budget.used = used = budget.used + units
        if held >= budget.quota and not self.exhausted:
            self.update()
        if used > budget.half and not budget.under_pressure:
            budget.set_pressure(on=True)

    def release(self, units: int) -> None:
        """Count `units` as free again."""
        budget = self._budget
        self.held -= units
        budget.used -= units
        if budget.under_pressure and budget.used * 4 <= budget.half * 3:
            budget.set_pressure(on=False)
        if self.exhausted and self.held * 4 <= budget.quota * 3:
            self.update()

    def update(self) -> None:
        """Compare what is held with the quota as it is now."""
        self.exhausted = self.held >= self._budget.quota
        if self._on_change is not None:
            self._on_change()

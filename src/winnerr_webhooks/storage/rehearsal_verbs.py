"""The verbs of rehearsals."""

from winnerr_webhooks.storage import rehearsal_queries
from winnerr_webhooks.storage.rehearsal_port import (
    NewRehearsal,
    Rehearsal,
    RehearsalResult,
    RehearsalStep,
)
from winnerr_webhooks.storage.verb_base import VerbBase


class RehearsalVerbs(VerbBase):
    """`storage.port.Rehearsals`; see there for what each verb promises."""

    async def add_rehearsal(self, new: NewRehearsal) -> int:
        """Add a rehearsal."""
        return await self._write(lambda db: rehearsal_queries.add(db, new, self._clock.now_ms()))

    async def rehearsal_step(
        self, done: RehearsalResult | None, lease_seconds: float
    ) -> RehearsalStep | None:
        """Record an answer, and return the next request."""
        lease_ms = round(lease_seconds * 1000)
        return await self._write(
            lambda db: rehearsal_queries.step(db, done, lease_ms, self._clock.now_ms())
        )

    async def rehearsal(self, organization: str, rehearsal_id: str) -> Rehearsal | None:
        """Return one rehearsal."""
        return await self._read_for(
            organization,
            lambda db: rehearsal_queries.rehearsal(db, organization, rehearsal_id),
        )

    async def cancel_rehearsal(self, organization: str, rehearsal_id: str) -> None:
        """End a rehearsal."""
        await self._write(
            lambda db: rehearsal_queries.cancel(
                db, organization, rehearsal_id, self._clock.now_ms()
            )
        )

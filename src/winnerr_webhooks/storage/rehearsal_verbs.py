"""The verbs of rehearsals."""

from winnerr_webhooks.domain import activity
from winnerr_webhooks.storage import rehearsal_queries
from winnerr_webhooks.storage.database_session import Session
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
        recorder = self._recorder()

        async def add(db: Session) -> int:
            count = await rehearsal_queries.add(db, new, self._clock.now_ms())
            if count:
                await recorder.record(
                    db,
                    new.organization,
                    activity.REHEARSAL_STARTED,
                    webhook=new.webhook_id,
                    subject=new.id,
                    url=new.url,
                    count=count,
                )
            return count

        return await self._write(add)

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
        recorder = self._recorder()

        async def cancel(db: Session) -> None:
            found = await rehearsal_queries.rehearsal(db, organization, rehearsal_id)
            await rehearsal_queries.cancel(db, organization, rehearsal_id, self._clock.now_ms())
            if found is not None and found.status == "running":
                await recorder.record(
                    db,
                    organization,
                    activity.REHEARSAL_CANCELLED,
                    webhook=found.webhook_id,
                    subject=rehearsal_id,
                )

        await self._write(cancel)

"""Rehearsals: the last events of a webhook, sent to another URL to compare its answers."""

from typing import Final

from winnerr_webhooks.domain.errors import Invalid, NotFound
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.ids import Ids, is_id
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.ports import NodeSignals
from winnerr_webhooks.management.webhook_management import WebhookManagement
from winnerr_webhooks.storage.port import Storage
from winnerr_webhooks.storage.rehearsal_port import NewRehearsal, Rehearsal

MOST_EVENTS: Final = 100
"""How many events one rehearsal sends at most."""
DEFAULT_EVENTS: Final = 20


class Rehearsals:
    """Starts, reads and cancels rehearsals. An organization has one at a time."""

    def __init__(
        self,
        *,
        storage: Storage,
        webhooks: WebhookManagement,
        signals: NodeSignals,
        ids: Ids,
    ) -> None:
        self._storage = storage
        self._webhooks = webhooks
        self._signals = signals
        self._ids = ids

    async def start(
        self, organization: str, webhook_id: str, url: str, last: int = DEFAULT_EVENTS
    ) -> Rehearsal:
        """Send the webhook's last events to `url`, in the background.

        Raises `Invalid` with all wrong fields, `NotFound`, and `Conflict` if the webhook has sent
        nothing yet, or another rehearsal of the organization is running.
        """
        checks = FieldChecks()
        await checks.wait(self._webhooks.check_url(url), ())
        if not 1 <= last <= MOST_EVENTS:
            checks.refuse(
                "/last", Text("The number of events must be from 1 to {most}.", most=MOST_EVENTS)
            )
        checks.done()
        new = NewRehearsal(
            id=self._ids.new("reh"),
            organization=organization,
            webhook_id=webhook_id,
            url=url,
            last=last,
        )
        if not await self._storage.add_rehearsal(new):
            raise Invalid.field(
                "/last",
                Text("The webhook has no attempt in the log yet: there is nothing to rehearse."),
            )
        self._signals.work_requested()
        return await self.get(organization, new.id)

    async def get(self, organization: str, rehearsal_id: str) -> Rehearsal:
        """Return one rehearsal with its answers so far. Raises `NotFound`."""
        found = None
        if is_id("reh", rehearsal_id):
            found = await self._storage.rehearsal(organization, rehearsal_id)
        if found is None:
            raise NotFound(Text("There is no such rehearsal. They are removed after 7 days."))
        return found

    async def cancel(self, organization: str, rehearsal_id: str) -> Rehearsal:
        """Send nothing more of a rehearsal. One that has ended stays. Raises `NotFound`."""
        await self.get(organization, rehearsal_id)
        await self._storage.cancel_rehearsal(organization, rehearsal_id)
        return await self.get(organization, rehearsal_id)

"""Checks a receiver: sends it the probes, one after another, and reports how it answers.

The requests are built, signed and sent as those of deliveries are, over the same egress and address
policy. They are no deliveries: nothing is stored, and no lane waits for them.
"""

import asyncio
from typing import Final

import msgspec

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.attempt import Exchange
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.ed25519_keys import signing_kind
from winnerr_webhooks.domain.errors import LocalShortage, Unavailable
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS
from winnerr_webhooks.domain.receiver_check.receiver_probes import GOOD_EVENT, Probe, make_probes
from winnerr_webhooks.domain.receiver_check.receiver_report import ReceiverReport, report
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.verdict import success_rule
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.field_checks import check_event
from winnerr_webhooks.management.signing_checks import generated_secret
from winnerr_webhooks.pipeline.access_tokens import AccessTokens
from winnerr_webhooks.pipeline.request_template import Egress, RequestTemplate

CHECK_SECONDS: Final = 30.0
"""No request of a check starts later than this; the last one may take a whole timeout."""
PAUSE_SECONDS: Final = 10.0
"""An organization can start a check this long after the start of the one before, or at its end."""


class ReceiverChecks:
    """Checks receivers, a few at a time and one for each organization."""

    def __init__(
        self,
        *,
        config: Config,
        egress: Egress,
        tokens: AccessTokens,
        catalog: Catalog,
        clock: Clock,
        ids: Ids,
        budgets: Budgets,
    ) -> None:
        self._egress = egress
        self._tokens = tokens
        self._catalog = catalog
        self._clock = clock
        self._ids = ids
        self._branding = config.branding
        self._success = success_rule(config.success_statuses)
        self._timeout = config.delivery_timeout
        self._budget = budgets.receiver_checks

    async def check(self, target: Target, event: str) -> ReceiverReport:
        """Send all probes to a webhook's URL and judge the answers.

        `event` is the event type whose example is sent, or `*` for the first one. Raises `Invalid`
        at /event, and `Unavailable` if too many checks run or this machine lacks something.
        """
        name = self._catalog.names[0] if event == ALL_EVENTS else check_event(self._catalog, event)
        organization = target.organization
        if not self._budget.take_for(organization):
            raise Unavailable(
                Text(
                    "A receiver is being checked already, or was a moment ago: wait {seconds:g} "
                    "seconds.",
                    seconds=PAUSE_SECONDS,
                )
            )
        started = self._clock.monotonic()
        try:
            exchanges = await self._ask(target, name, started + CHECK_SECONDS)
        except LocalShortage as shortage:
            raise Unavailable(str(shortage)) from None
        finally:
            rest = PAUSE_SECONDS - (self._clock.monotonic() - started)
            asyncio.get_running_loop().call_later(
                max(rest, 0), self._budget.release_for, organization
            )
        return report(
            target.url,
            name,
            exchanges,
            signed=target.secret is not None,
            success=self._success,
            timeout=min(target.timeout or self._timeout, self._timeout),
            branding=self._branding,
        )

    async def _ask(self, target: Target, name: str, ends: float) -> dict[str, list[Exchange]]:
        """Send the probes; returns the answers by line. Ends early if the good event fails."""
        event = self._catalog.get(name)
        assert event is not None  # noqa: S101  `check` has looked it up
        genuine = RequestTemplate(target, self._branding)
        forged_with = generated_secret(signing_kind(target.secret))
        stranger = msgspec.structs.replace(target, secret=forged_with, next_secret=None)
        forged = RequestTemplate(stranger, self._branding)
        probes = make_probes(
            event,
            target.organization,
            signed=target.secret is not None,
            now_ms=self._clock.now_ms(),
            new_id=self._ids.new,
        )
        exchanges: dict[str, list[Exchange]] = {}
        for probe in probes:
            if self._clock.monotonic() > ends:
                break
            exchange = await self._send(forged if probe.is_forged else genuine, probe)
            exchanges.setdefault(probe.line, []).append(exchange)
            failed = exchange.status is None or not self._success(exchange.status)
            if probe.line == GOOD_EVENT and failed:
                break
        return exchanges

    async def _send(self, template: RequestTemplate, probe: Probe) -> Exchange:
        delivery = LeasedDelivery(
            id=probe.delivery_id,
            event_id=probe.event_id,
            event=probe.event,
            organization=template.organization,
            webhook_id=template.target.webhook_id,
            webhook_version=template.target.version,
            body=probe.body,
            trigger="test",
            test=True,
            attempt=probe.attempt,
        )
        signed_at = self._clock.now_ms() - 1_000 * probe.age
        head = template.head(delivery, signed_at)
        if template.oauth2 is not None:
            return await self._tokens.post(template, template.oauth2, head, probe.body)
        return await self._egress.post(
            template.destination,
            template.organization,
            head,
            probe.body,
            template.target.timeout,
        )

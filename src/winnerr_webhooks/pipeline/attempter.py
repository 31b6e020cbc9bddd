"""Attempter: sends the request of a delivery, and judges the response."""

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import AttemptRecord, Exchange
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.retry import Jitter, waits_of
from winnerr_webhooks.domain.verdict import SuccessRule, Verdict, judge
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.pipeline.access_tokens import AccessTokens
from winnerr_webhooks.pipeline.request_template import Egress, RequestTemplate
from winnerr_webhooks.storage.road_values import Settlement


class Attempter:
    """Makes attempts for every lane of a node."""

    def __init__(
        self,
        egress: Egress,
        tokens: AccessTokens,
        *,
        schedule: tuple[float, ...],
        success: SuccessRule,
        branding: Branding,
        clock: Clock,
        ids: Ids,
        jitter: Jitter,
    ) -> None:
        self._egress = egress
        self._tokens = tokens
        self._schedule = schedule
        self._success = success
        self._branding = branding
        self._clock = clock
        self._ids = ids
        self._jitter = jitter

    def template(self, target: Target) -> RequestTemplate:
        """Build the request template of a webhook."""
        return RequestTemplate(target, self._branding)

    async def attempt(self, template: RequestTemplate, delivery: LeasedDelivery) -> Settlement:
        """Make one HTTP request of a delivery; returns what to record about it.

        Raises `LocalShortage` when this machine lacks something, and nothing was sent.
        """
        head = template.head(delivery, self._clock.now_ms())
        if template.oauth2 is None:
            exchange = await self._egress.post(
                template.destination,
                template.organization,
                head,
                delivery.body,
                template.target.timeout,
            )
        else:
            exchange = await self._tokens.post(template, template.oauth2, head, delivery.body)
        verdict = self._judge(exchange, delivery, template.target)
        return Settlement(
            delivery=delivery,
            record=AttemptRecord(
                id=self._ids.new("att"),
                outcome="failed" if verdict.error_kind else "succeeded",
                url=template.target.url,
                request_head=template.logged_head(head),
                exchange=exchange,
                error_kind=verdict.error_kind,
                error_message=verdict.error_message,
                error_code=verdict.error_code,
            ),
            verdict=verdict,
        )

    def _judge(self, exchange: Exchange, delivery: LeasedDelivery, target: Target) -> Verdict:
        return judge(
            exchange,
            trigger=delivery.trigger,
            retries_used=delivery.retries_used,
            schedule=waits_of(target.retry_schedule, self._schedule),
            success=self._success,
            jitter=self._jitter,
        )

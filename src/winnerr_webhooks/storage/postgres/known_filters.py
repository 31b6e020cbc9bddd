"""The filters that a node knows, so that it can judge a batch before the statement that accepts it.

The statement decides whether that was right: it compares each known filter with the webhook's own,
as it is at that moment. If one of them differs, nothing is written, and the statement returns the
filters as they are.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from winnerr_webhooks.domain.event import NewEvent
from winnerr_webhooks.domain.event_filter import Judge, judge_of, parse_payload

MOST_ORGANIZATIONS: Final = 1_000
"""Organizations whose filters are kept from batch to batch; those used last stay."""


class KnownFilters:
    """Filters by organization and webhook, as the statement has last returned them."""

    def __init__(self) -> None:
        self._by_organization: OrderedDict[str, dict[str, str]] = OrderedDict()

    def learn(self, found: Iterable[tuple[str, str, str | None]]) -> None:
        """Note filters (organization, webhook, filter); None: the webhook has none any more."""
        for organization, webhook_id, text in found:
            known = self._by_organization.setdefault(organization, {})
            if text is not None:
                known[webhook_id] = text
            else:
                known.pop(webhook_id, None)
            if not known:
                del self._by_organization[organization]

    def forget_oldest(self) -> None:
        """Make room, between batches: within one, all that was learnt for it has to stay."""
        while len(self._by_organization) > MOST_ORGANIZATIONS:
            self._by_organization.popitem(last=False)

    def judge(self, events: Sequence[NewEvent]) -> tuple[str, str]:
        """Return JSON objects: the filters by webhook, and what they let through.

        The keys of the second are "position webhook", with the position of an event from 1. Most
        filters refuse most events, so these are few.
        """
        if not self._by_organization:
            return "{}", "{}"
        filters: dict[str, str] = {}
        passed: dict[str, int] = {}
        judges: dict[str, list[tuple[str, Judge]]] = {}
        for position, event in enumerate(events, 1):
            known = self._by_organization.get(event.organization)
            if known is None:
                continue
            if event.organization not in judges:
                self._by_organization.move_to_end(event.organization)
                filters.update(known)
                judges[event.organization] = [(one, judge_of(text)) for one, text in known.items()]
            payload = parse_payload(event.body)
            for webhook_id, judge in judges[event.organization]:
                if judge(payload):
                    passed[f"{position} {webhook_id}"] = 1
        return json.dumps(filters), json.dumps(passed)

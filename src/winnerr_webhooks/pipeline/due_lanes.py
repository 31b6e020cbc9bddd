"""Due lanes: webhooks known to have due work in the database; organizations take turns."""

from collections import deque
from collections.abc import Callable
from typing import Final

from winnerr_webhooks.pipeline.allocation import Candidate

FROM_ONE_LANE: Final = 8
"""Deliveries that a claim takes of a lane with a backlog, if more lanes are due than it has places.
Those of one lane are in the same pages of the database."""


class DueLanes:
    """Lanes that wait for a claim. Organizations take turns, and so do the lanes of each.

    A lane is in here at most once. At its turn it is removed, whether or not it has room.
    """

    def __init__(self) -> None:
        self._rings: dict[str, deque[str]] = {}
        self._turns: deque[str] = deque()
        """Organizations that have lanes here."""
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, webhook_id: str, organization: str) -> None:
        """Put a lane at the end of its organization's ring, unless it is in there."""
        if webhook_id in self._known:
            return
        self._known.add(webhook_id)
        ring = self._rings.get(organization)
        if ring is None:
            self._rings[organization] = deque((webhook_id,))
            self._turns.append(organization)
        else:
            ring.append(webhook_id)

    def take(
        self, places: int, candidate: Callable[[str, str], Candidate | None]
    ) -> list[Candidate]:
        """Remove the next lanes of a claim, and return the candidates that they are.

        A lane takes one place. If there are more lanes than places, a lane with a backlog takes
        several, except the first lane of each organization.
        """
        of_backlog = FROM_ONE_LANE if len(self) > places else 1
        found: list[Candidate] = []
        organizations: set[str] = set()
        while self._turns and places > 0:
            organization = self._turns.popleft()
            ring = self._rings[organization]
            chosen = None
            while ring and chosen is None:
                webhook_id = ring.popleft()
                self._known.discard(webhook_id)
                chosen = candidate(webhook_id, organization)
            if chosen is not None:
                found.append(chosen)
                is_run = chosen.has_backlog and organization in organizations
                places -= of_backlog if is_run else 1
                organizations.add(organization)
            if ring:
                self._turns.append(organization)
            else:
                del self._rings[organization]
        return found

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

    In each organization, a lane with a backlog and one without take turns: a retry of one webhook
    does not wait for hundreds of backlogs. A lane is in here at most once. At its turn it is
    removed, whether or not it has room.
    """

    def __init__(self) -> None:
        self._rings: dict[str, _Rings] = {}
        self._turns: deque[str] = deque()
        """Organizations that have lanes here."""
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, webhook_id: str, organization: str, *, has_backlog: bool = False) -> None:
        """Put a lane at the end of one of its organization's rings, unless it is in one."""
        if webhook_id in self._known:
            return
        self._known.add(webhook_id)
        rings = self._rings.get(organization)
        if rings is None:
            rings = self._rings[organization] = _Rings()
            self._turns.append(organization)
        (rings.backlogged if has_backlog else rings.quiet).append(webhook_id)

    def take(
        self, places: int, candidate: Callable[[str, str], Candidate | None]
    ) -> list[Candidate]:
        """Remove the next lanes of a claim, and return their candidates; None is left out.

        A lane takes one place. If there are more lanes than places, a lane with a backlog takes
        several, except the first lane of each organization.
        """
        of_backlog = FROM_ONE_LANE if len(self) > places else 1
        found: list[Candidate] = []
        organizations: set[str] = set()
        while self._turns and places > 0:
            organization = self._turns.popleft()
            rings = self._rings[organization]
            chosen = None
            while rings and chosen is None:
                webhook_id = rings.take()
                self._known.discard(webhook_id)
                chosen = candidate(webhook_id, organization)
            if chosen is not None:
                found.append(chosen)
                is_run = chosen.has_backlog and organization in organizations
                places -= min(of_backlog, chosen.room) if is_run else 1
                organizations.add(organization)
            if rings:
                self._turns.append(organization)
            else:
                del self._rings[organization]
        return found


class _Rings:
    """The lanes of one organization."""

    __slots__ = ("backlogged", "is_turn_of_backlog", "quiet")

    def __init__(self) -> None:
        self.quiet: deque[str] = deque()
        self.backlogged: deque[str] = deque()
        self.is_turn_of_backlog = False

    def __bool__(self) -> bool:
        return bool(self.quiet or self.backlogged)

    def take(self) -> str:
        """Remove the next lane; there must be one."""
        ring = self.backlogged if self.is_turn_of_backlog else self.quiet
        self.is_turn_of_backlog = not self.is_turn_of_backlog
        return (ring or self.backlogged or self.quiet).popleft()

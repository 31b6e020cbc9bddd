"""Due lanes: the webhooks known to have work due in the database, in turns."""

from collections import deque
from collections.abc import Callable

from winnerr_webhooks.pipeline.allocation import Candidate


class DueLanes:
    """Lanes wait here for a claim: organizations in turns, the lanes of each in turns.

    A lane stands here once. It leaves when its turn comes, whether or not it has room by then.
    """

    def __init__(self) -> None:
        self._rings: dict[str, deque[str]] = {}
        self._turns: deque[str] = deque()
        """Organizations that have lanes here."""
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, webhook_id: str, organization: str) -> None:
        """Put a lane at the end of its organization's ring, unless it stands there."""
        if webhook_id in self._known:
            return
        self._known.add(webhook_id)
        ring = self._rings.get(organization)
        if ring is None:
            self._rings[organization] = deque((webhook_id,))
            self._turns.append(organization)
        else:
            ring.append(webhook_id)

    def take(self, most: int, candidate: Callable[[str, str], Candidate | None]) -> list[Candidate]:
        """The next lanes, at most `most`; those for which `candidate` has None are passed over."""
        found: list[Candidate] = []
        while self._turns and len(found) < most:
            organization = self._turns.popleft()
            ring = self._rings[organization]
            chosen = None
            while ring and chosen is None:
                webhook_id = ring.popleft()
                self._known.discard(webhook_id)
                chosen = candidate(webhook_id, organization)
            if chosen is not None:
                found.append(chosen)
            if ring:
                self._turns.append(organization)
            else:
                del self._rings[organization]
        return found

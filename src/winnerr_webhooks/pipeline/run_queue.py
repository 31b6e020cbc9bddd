"""Run queue: deliveries in an order, leased together, that are sent one after the other.

A claim leases a run of one key to one node (`storage.ordering`). Each of its deliveries goes when
the one before it has succeeded. When one does not succeed, the database decides what is next, once
the attempt is recorded.
"""

from collections import deque

from winnerr_webhooks.domain.delivery import LeasedDelivery


class RunQueue:
    """The runs of a node: of each, one delivery goes, and the others wait here."""

    def __init__(self) -> None:
        self._behind: dict[tuple[str, str | None], deque[LeasedDelivery]] = {}
        """Those that wait, by webhook and key; there is a queue for each run that goes."""

    def may_go(self, delivery: LeasedDelivery) -> bool:
        """Return whether a delivery begins a run; otherwise it waits behind those of its key."""
        key = (delivery.webhook_id, delivery.order_key)
        queue = self._behind.get(key)
        if queue is None:
            self._behind[key] = deque()
            return True
        queue.append(delivery)
        return False

    def next(self, delivery: LeasedDelivery) -> LeasedDelivery | None:
        """Return the one that follows a delivery that has succeeded; None ends the run."""
        key = (delivery.webhook_id, delivery.order_key)
        queue = self._behind.get(key)
        if queue:
            return queue.popleft()
        self._behind.pop(key, None)
        return None

    def end(self, delivery: LeasedDelivery) -> list[LeasedDelivery]:
        """End the run of a delivery, and return those that waited behind it."""
        return list(self._behind.pop((delivery.webhook_id, delivery.order_key), ()))

    def end_all(self) -> list[LeasedDelivery]:
        """End all runs, and return those that waited."""
        waiting = [delivery for queue in self._behind.values() for delivery in queue]
        self._behind.clear()
        return waiting

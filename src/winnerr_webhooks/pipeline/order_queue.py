"""Order queue: deliveries of an order that were leased together, and are sent one after the other.

A claim leases the next deliveries of one key to one node (`storage.ordering`). Each is sent when
the one before it has succeeded. When one fails, the rest is released, and the database decides what
is next once the attempt is recorded.
"""

from collections import deque

from winnerr_webhooks.domain.delivery import LeasedDelivery


class OrderQueue:
    """The ordered deliveries of a node that wait for the one before them."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str | None], deque[LeasedDelivery]] = {}
        """By webhook and key; a key is in here while one of its deliveries is in its lane."""

    def is_first(self, delivery: LeasedDelivery) -> bool:
        """Return whether a delivery can be sent now; if not, it waits behind others of its key."""
        key = (delivery.webhook_id, delivery.order_key)
        queue = self._waiting.get(key)
        if queue is None:
            self._waiting[key] = deque()
            return True
        queue.append(delivery)
        return False

    def next(self, delivery: LeasedDelivery) -> LeasedDelivery | None:
        """Return the delivery that follows one that has succeeded; None if no other waits."""
        key = (delivery.webhook_id, delivery.order_key)
        queue = self._waiting.get(key)
        if queue:
            return queue.popleft()
        self._waiting.pop(key, None)
        return None

    def remove_following(self, delivery: LeasedDelivery) -> list[LeasedDelivery]:
        """Remove the deliveries that wait behind one, and return them."""
        return list(self._waiting.pop((delivery.webhook_id, delivery.order_key), ()))

    def clear(self) -> list[LeasedDelivery]:
        """Remove all deliveries that wait, and return them."""
        waiting = [delivery for queue in self._waiting.values() for delivery in queue]
        self._waiting.clear()
        return waiting

"""Attempt slots: how many attempts a node has in flight, and which lane starts the next one.

Every attempt holds a connection, and the file descriptors of a process are limited. While slots
are scarce, organizations take turns for them, and so do the lanes of an organization. An
organization that holds its share of the slots waits, so an outage of its receivers leaves slots
for the others.
"""

from collections import deque
from typing import Final

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.pipeline.lane import Lane, LaneOwner
from winnerr_webhooks.quotas import LOG_EVERY, Budget

TIMES_FREE: Final = 3
"""An organization may hold three times as many slots as are free (a dynamic threshold: Choudhury
and Hahne, 1998). One alone holds three quarters; of many, each holds less, and some stay free."""
OF_ONE_RECEIVER: Final = "EADDRNOTAVAIL"
"""The ports to one address and port are used up; there are as many to any other."""
SHORTAGE_SECONDS: Final = 1.0
"""After a shortage on this machine, attempts in flight may not increase for this long."""

_ADVICE: Final = {
    "EMFILE": "Raise the limit of open files of this process (ulimit -n, LimitNOFILE in systemd).",
    "ENFILE": "Raise the limit of open files of this machine (sysctl fs.file-max).",
    "EADDRNOTAVAIL": "Give this machine more local ports (sysctl net.ipv4.ip_local_port_range).",
    "PROXY_UNREACHABLE": "Start the proxy that EGRESS_PROXY names, or correct its host and port.",
    "PROXY_CREDENTIALS": "Correct the user and password in EGRESS_PROXY.",
}
_ADVICE_ON_MEMORY: Final = "Give this machine more memory, or run less beside the service."

log = structlog.get_logger(__name__)


class AttemptSlots:
    """The slots for attempts of one node.

    The dispatcher counts `in_flight` here and in each owner. It calls `admit_or_queue` only
    when at least `scarce_from` attempts are in flight, so below that a slot costs one comparison.
    """

    def __init__(self, budget: Budget, metrics: Metrics, clock: Clock) -> None:
        self.in_flight = 0
        self.waiting_owners: deque[LaneOwner] = deque()
        """Organizations with lanes that wait for a slot; the next in turn first."""
        self._budget = budget
        self._metrics = metrics
        self._clock = clock
        self._limit = budget.bound.limit
        self._crowded = self._limit * TIMES_FREE // (TIMES_FREE + 1)
        """Below it no organization can hold too much."""
        self._most = self._limit
        """The limit for now: lower while this machine lacks something."""
        self.scarce_from = self._crowded
        self._logged_at = float("-inf")
        budget.measure(lambda: self.in_flight)

    def admit_or_queue(self, lane: Lane) -> bool:
        """Return whether a lane may start an attempt now; queue it for a slot if it may not."""
        owner = lane.owner
        if not owner.lanes_for_slot and self._has_slot_for(owner):
            return True  # the waiting ones are of other organizations, which have no slot left
        if not lane.waits_for_slot:
            self._budget.refuse()
            self.wait(lane)
        return False

    def wait(self, lane: Lane) -> None:
        """Put a lane at the end of its organization's ring."""
        if lane.waits_for_slot:
            return
        lane.waits_for_slot = True
        owner = lane.owner
        if not owner.lanes_for_slot:
            self.waiting_owners.append(owner)
        owner.lanes_for_slot.append(lane)

    def next_in_turn(self) -> Lane | None:
        """Take out a lane of the waiting organization that holds the fewest slots, if one is free.

        Of several that hold as many, the one that had its last turn first.
        """
        ready = filter(self._has_slot_for, self.waiting_owners)
        owner = min(ready, key=_in_flight, default=None)
        if owner is None:
            return None
        self.waiting_owners.remove(owner)
        lane = owner.lanes_for_slot.popleft()
        lane.waits_for_slot = False
        if owner.lanes_for_slot:
            self.waiting_owners.append(owner)
        return lane

    def _has_slot_for(self, owner: LaneOwner) -> bool:
        free = self._limit - self.in_flight
        return self.in_flight < self._most and owner.in_flight < TIMES_FREE * free

    # --- what this machine lacks --------------------------------------------------------------

    def ran_short(self, lack: str) -> bool:
        """Note a shortage of this machine; return whether it concerns only one receiver.

        If it does not, no more attempts are allowed than are in flight now. A slot becomes free
        when one of these attempts ends. `recover` restores the full limit.
        """
        self._note(lack)
        if lack == OF_ONE_RECEIVER:
            return True
        self._most = self.in_flight
        self.scarce_from = min(self._crowded, self._most)
        return False

    def _note(self, lack: str) -> None:
        """Count what this machine lacked, and log it at most once a minute."""
        self._metrics.local_shortage(lack)
        now = self._clock.monotonic()
        if now - self._logged_at >= LOG_EVERY:
            self._logged_at = now
            log.warning(
                "attempts wait for what this machine lacks; no delivery loses a retry for it",
                lack=lack,
                in_flight=self.in_flight,
                limit=self._limit,
                then=_ADVICE.get(lack, _ADVICE_ON_MEMORY),
            )

    def recover(self) -> None:
        """Try as many attempts as before."""
        self._most = self._limit
        self.scarce_from = self._crowded


def _in_flight(owner: LaneOwner) -> int:
    return owner.in_flight

"""Budgets: the main bounds of a node in one place, with their units, sources and spenders.

A bound says how much of something one node does or holds at once. A budget is a bound that is
spent and released while the node works: it knows how much is in use and how often it refused.
`derive` makes all of them from the settings and from what the machine allows this process;
`winnerr-webhooks config` and `/metrics` show them (docs/explanation/budgets.md draws them).
"""

import math
import resource
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import structlog

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config

MIB: Final = 1024 * 1024
LOG_EVERY: Final = 60.0
"""Seconds between two log lines about the same spent budget."""

STOP_SLACK: Final = 5.0
"""Seconds beyond DELIVERY_TIMEOUT that attempts in flight have to finish when the node stops."""
STOP_RECORDING: Final = 5.0
"""Seconds that recording attempts, releasing leases and closing what is open have after that."""

log = structlog.get_logger(__name__)


class Bound(NamedTuple):
    """What a node does or holds at once, at most."""

    name: str
    """The label of its metrics, and its line in `winnerr-webhooks config`."""
    limit: int
    unit: str
    source: str
    """Where the limit comes from: a constant, a setting, or what the machine allows."""
    spender: str
    """The module that spends it."""
    when_spent: str
    """What happens to the work that does not fit, as a sentence."""
    share: int = 0
    """The most that one organization may hold of it; 0: one may hold all of it."""


class Budget:
    """A bound with what is in use of it now. It belongs to the thread of the event loop."""

    __slots__ = ("_clock", "_logged_at", "_measure", "_shares", "_used", "bound", "refused")

    def __init__(self, bound: Bound, clock: Clock) -> None:
        self.bound = bound
        self.refused = 0
        """How often something did not fit."""
        self._clock = clock
        self._used = 0
        self._shares: dict[str, int] = {}
        self._logged_at = float("-inf")
        self._measure: Callable[[], float] | None = None

    @property
    def in_use(self) -> float:
        """Units in use now."""
        return self._used if self._measure is None else self._measure()

    def measure(self, in_use: Callable[[], float]) -> None:
        """Read `in_use` from its spender, which counts for itself on the road of an event."""
        self._measure = in_use

    def take(self, units: int = 1) -> bool:
        """Spend `units`; False when they do not fit, and that is counted and logged."""
        if self._used + units > self.bound.limit:
            self.refuse()
            return False
        self._used += units
        return True

    def release(self, units: int = 1) -> None:
        """Give back `units` that were taken."""
        self._used -= units

    def take_for(self, organization: str, units: int = 1) -> bool:
        """Spend `units` of this organization's share; False when they do not fit."""
        held = self._shares.get(organization, 0) + units
        if self.bound.share and held > self.bound.share:
            self.refuse(organization)
            return False
        if not self.take(units):
            return False
        self._shares[organization] = held
        return True

    def release_for(self, organization: str, units: int = 1) -> None:
        """Give back `units` that were taken for this organization."""
        self.release(units)
        held = self._shares[organization] - units
        if held:
            self._shares[organization] = held
        else:
            del self._shares[organization]

    def held_by(self, organization: str) -> int:
        """Units that this organization holds."""
        return self._shares.get(organization, 0)

    def refuse(self, organization: str | None = None) -> None:
        """Count work that did not fit, and log it at most once a minute."""
        self.refused += 1
        now = self._clock.monotonic()
        if now - self._logged_at < LOG_EVERY:
            return
        self._logged_at = now
        bound = self.bound
        whose = {"organization": organization} if organization is not None else {}
        log.warning(
            "a budget is spent",
            budget=bound.name,
            limit=bound.share if whose else bound.limit,
            unit=bound.unit,
            then=bound.when_spent,
            **whose,
        )


class Budgets:
    """All bounds of one node; each attribute but `stop_seconds` is a `Budget`."""

    def __init__(self, bounds: "Bounds", clock: Clock) -> None:
        self.accept_rows = Budget(bounds.accept_rows, clock)
        self.accept_events = Budget(bounds.accept_events, clock)
        self.accept_bytes = Budget(bounds.accept_bytes, clock)
        self.receiving_bytes = Budget(bounds.receiving_bytes, clock)
        self.connections_in = Budget(bounds.connections_in, clock)
        self.key_lookups = Budget(bounds.key_lookups, clock)
        self.attempts = Budget(bounds.attempts, clock)
        self.kept_connections = Budget(bounds.kept_connections, clock)
        self.queued_bytes = Budget(bounds.queued_bytes, clock)
        self.unrecorded_attempts = Budget(bounds.unrecorded_attempts, clock)
        self.unrecorded_bytes = Budget(bounds.unrecorded_bytes, clock)
        self.page_reads = Budget(bounds.page_reads, clock)
        self.log_searches = Budget(bounds.log_searches, clock)
        self.pages = Budget(bounds.pages, clock)
        self.live_streams = Budget(bounds.live_streams, clock)
        self.stop_seconds = bounds.stop_seconds.limit
        """Seconds that a stop takes at most; not a `Budget`, because nothing spends it."""

    def __iter__(self) -> Iterator[Budget]:
        """All of them, in the order an event meets them."""
        return (value for value in vars(self).values() if isinstance(value, Budget))


class Bounds(NamedTuple):
    """The limits of one node, before it runs; see `derive`."""

    accept_rows: Bound
    accept_events: Bound
    accept_bytes: Bound
    receiving_bytes: Bound
    connections_in: Bound
    key_lookups: Bound
    attempts: Bound
    kept_connections: Bound
    queued_bytes: Bound
    unrecorded_attempts: Bound
    unrecorded_bytes: Bound
    page_reads: Bound
    log_searches: Bound
    pages: Bound
    live_streams: Bound
    stop_seconds: Bound


def stop_seconds(config: Config) -> int:
    """Seconds from the end of DRAIN_SECONDS until the process has ended, whatever its parts do."""
    return math.ceil(config.delivery_timeout + STOP_SLACK + STOP_RECORDING)


class Descriptors(NamedTuple):
    """How the file descriptors of a process are divided."""

    reserve: int
    """For the database, name servers, log, listener and second tries: never given out."""
    attempts: int
    kept: int
    """Idle outgoing connections kept for the next request."""
    incoming: int


RESERVED_DESCRIPTORS: Final = 64
LEAST_DESCRIPTORS: Final = 128
MOST_DESCRIPTORS: Final = 1_048_576
MOST_ATTEMPTS: Final = 8_192
MOST_KEPT: Final = 8_192
MOST_INCOMING: Final = 16_384


def descriptors_allowed() -> int:
    """How many file descriptors this process may raise its limit to (getrlimit(2))."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)


def divide(descriptors: int) -> Descriptors:
    """Divide file descriptors: two fifths each for attempts and callers, a fifth kept idle."""
    usable = max(descriptors, LEAST_DESCRIPTORS) - RESERVED_DESCRIPTORS
    return Descriptors(
        reserve=RESERVED_DESCRIPTORS,
        attempts=min(usable * 2 // 5, MOST_ATTEMPTS),
        kept=min(usable // 5, MOST_KEPT),
        incoming=min(usable * 2 // 5, MOST_INCOMING),
    )


def derive(config: Config, descriptors: int) -> Bounds:
    """All bounds of a node with these settings and this many file descriptors."""
    files = divide(descriptors)
    of_files = f"file descriptors ({descriptors:,} of this process, {files.reserve} in reserve)"
    reads = 3 if config.uses_postgres else 2
    return Bounds(
        accept_rows=Bound(
            "accept_rows", 4_096, "rows a transaction", "constant", "pipeline.intake",
            "The rest is stored by the next transaction, in turns between organizations.",
        ),
        accept_events=Bound(
            "accept_events", 20_000, "events", "constant", "pipeline.intake",
            "The call is answered 503.", share=10_000,
        ),
        accept_bytes=Bound(
            "accept_bytes", 64 * MIB, "bytes", "constant", "pipeline.intake",
            "The call is answered 503.", share=32 * MIB,
        ),
        receiving_bytes=Bound(
            "receiving_bytes", 64 * MIB, "bytes", "constant", "api.bodies",
            "The call is answered 503.", share=16 * MIB,
        ),
        connections_in=Bound(
            "connections_in", files.incoming, "connections", of_files, "api.connections",
            "An idle or half-sent connection, or one without a key, is closed for the new one.",
        ),
        key_lookups=Bound(
            "key_lookups", 64, "lookups", "constant", "api.auth",
            "The call with the unknown key is answered 503.",
        ),
        attempts=Bound(
            "attempts", files.attempts, "attempts", of_files, "pipeline.attempt_places",
            "Deliveries wait for their organization's turn.",
        ),
        kept_connections=Bound(
            "kept_connections", files.kept, "connections", of_files, "egress.pool",
            "The connection that was used longest ago is closed.",
        ),
        queued_bytes=Bound(
            "queued_bytes", 64 * MIB, "bytes", "constant", "pipeline.memory",
            "Deliveries wait in the database.", share=16 * MIB,
        ),
        unrecorded_attempts=Bound(
            "unrecorded_attempts", 4_000, "attempts", "constant", "pipeline.record",
            "No attempt starts until those that were made are recorded.",
        ),
        unrecorded_bytes=Bound(
            "unrecorded_bytes", 64 * MIB, "bytes", "constant", "pipeline.record",
            "Over half of it, answers are logged cut to 1 KiB; when it is spent, no attempt starts "
            "until those that were made are recorded.",
        ),
        page_reads=Bound(
            "page_reads", reads, "reads", "the database's readers", "storage.turns",
            "The read waits for its organization's turn; after 4 s it is answered 503.",
            share=2 if config.uses_postgres else 1,  # there, a search is a read as well
        ),
        log_searches=Bound(
            "log_searches", 2 if config.uses_postgres else 1, "searches",
            "the database's readers", "storage.turns",
            "The search waits for its organization's turn; after 4 s it is answered 503.", share=1,
        ),
        pages=Bound(
            "pages", 2 if config.uses_postgres else 1, "pages",
            "the database's readers", "settings_page.page_context",
            "The page waits for its organization's turn; after 4 s it is answered 503.", share=1,
        ),
        live_streams=Bound(
            "live_streams", 200, "streams", "constant", "settings_page.live_log",
            "The log page opens without its live part.", share=20,
        ),
        stop_seconds=Bound(
            "stop_seconds", stop_seconds(config), "seconds", "DELIVERY_TIMEOUT and 10 s",
            "pipeline.node",
            "Deliveries not recorded or released by then are claimed when their lease expires.",
        ),
    )  # fmt: skip

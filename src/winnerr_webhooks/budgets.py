"""Budgets: the main bounds of a node in one place, with their units, sources and spenders.

A bound says how much of something one node does or holds at once. A budget is a bound that is
spent and released while the node works (`quotas`). `derive` makes all bounds from the settings and
from what the machine allows this process; `winnerr-webhooks config` and `/metrics` show them
(docs/explanation/budgets.md draws them).
"""

import math
import resource
from collections.abc import Iterator
from typing import Final, NamedTuple

from winnerr_webhooks.clock import Clock
from winnerr_webhooks.config import Config
from winnerr_webhooks.quotas import Bound, Budget

MIB: Final = 1024 * 1024
STOP_SLACK: Final = 5.0
"""Seconds beyond DELIVERY_TIMEOUT that attempts in flight have to finish when the node stops."""
STOP_RECORDING: Final = 5.0
"""Seconds after that for recording attempts, releasing leases and closing connections."""


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
        self.queued_bytes = Budget(bounds.queued_bytes, clock, pressure=4)
        self.unrecorded_attempts = Budget(bounds.unrecorded_attempts, clock)
        self.unrecorded_bytes = Budget(bounds.unrecorded_bytes, clock)
        self.page_reads = Budget(bounds.page_reads, clock)
        self.log_searches = Budget(bounds.log_searches, clock)
        self.pages = Budget(bounds.pages, clock)
        self.live_streams = Budget(bounds.live_streams, clock)
        self.receiver_checks = Budget(bounds.receiver_checks, clock)
        self.stop_seconds = bounds.stop_seconds.limit
        """Seconds that a stop takes at most; not a `Budget`, because nothing spends it."""

    def __iter__(self) -> Iterator[Budget]:
        """All budgets, in the order of `Bounds`."""
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
    receiver_checks: Bound
    stop_seconds: Bound


def stop_seconds(config: Config) -> int:
    """Return the seconds from the end of DRAIN_SECONDS until the process has ended."""
    return math.ceil(config.delivery_timeout + STOP_SLACK + STOP_RECORDING)


class Descriptors(NamedTuple):
    """How the file descriptors of a process are divided."""

    reserve: int
    """For the database, name servers, log, listener and reconnects; never given out."""
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
    """Return how many file descriptors this process may have (getrlimit(2))."""
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
            "accept_rows", 4_096, "rows a transaction; a row stored leased counts 4",
            "constant", "pipeline.intake",
            "The rest is stored by the next transaction, in turns between organizations.",
        ),
        accept_events=Bound(
            "accept_events", 20_000, "events", "constant", "pipeline.intake",
            "The call is answered 503.", quota=10_000,
        ),
        accept_bytes=Bound(
            "accept_bytes", 64 * MIB, "bytes", "constant", "pipeline.intake",
            "The call is answered 503.", quota=32 * MIB,
        ),
        receiving_bytes=Bound(
            "receiving_bytes", 64 * MIB, "bytes", "constant", "api.request_body",
            "The call is answered 503 after 1 to 3 s.", quota=16 * MIB,
        ),
        connections_in=Bound(
            "connections_in", files.incoming, "connections", of_files, "api.http.open_connections",
            "An idle or half-sent connection, or one without a key, is closed for the new one.",
        ),
        key_lookups=Bound(
            "key_lookups", 64, "lookups", "constant", "api.auth",
            "The call with the unknown key is answered 503.",
        ),
        attempts=Bound(
            "attempts", files.attempts, "attempts", of_files, "pipeline.attempt_slots",
            "Deliveries wait for their organization's turn.",
        ),
        kept_connections=Bound(
            "kept_connections", files.kept, "connections", of_files, "egress.pool",
            "The connection that was used longest ago is closed.",
        ),
        queued_bytes=Bound(
            "queued_bytes", 64 * MIB, "bytes", "constant", "pipeline.lane_queues",
            "Deliveries wait in the database.", quota=16 * MIB,
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
            "page_reads", reads, "reads", "the database's readers", "storage.fair_semaphore",
            "The read waits for its organization's turn; after 4 s it is answered 503.",
            quota=2 if config.uses_postgres else 1,  # there, a search is a read as well
        ),
        log_searches=Bound(
            "log_searches", 2 if config.uses_postgres else 1, "searches",
            "the database's readers", "storage.fair_semaphore",
            "The search waits for its organization's turn; after 4 s it is answered 503.", quota=1,
        ),
        pages=Bound(
            "pages", 2 if config.uses_postgres else 1, "pages",
            "the database's readers", "settings_page.page_context",
            "The page waits for its organization's turn; after 4 s it is answered 503.", quota=1,
        ),
        live_streams=Bound(
            "live_streams", 200, "streams", "constant",
            "settings_page.live_log, api.routes.listener_routes",
            "The log page opens without its live part; a listener is answered 503 and tries again.",
            quota=20,
        ),
        receiver_checks=Bound(
            "receiver_checks", 4, "checks", "constant", "management.receiver_checks",
            "The check is answered 503.", quota=1,
        ),
        stop_seconds=Bound(
            "stop_seconds", stop_seconds(config), "seconds", "DELIVERY_TIMEOUT and 10 s",
            "pipeline.node",
            "Deliveries not recorded or released by then are claimed when their lease expires.",
        ),
    )  # fmt: skip

"""Decides how the demo's receivers fail on purpose. It depends only on the delivery's id."""

import zlib

import msgspec

RETRY_SCHEDULE = (2, 5, 10)
"""Seconds; so short that people see the retries."""

ATTEMPTS = len(RETRY_SCHEDULE) + 1
"""After this many failed attempts a delivery has failed."""

_OUT_OF = 40


class Behaviour(msgspec.Struct, frozen=True):
    """What a receiver does with one request."""

    status: int = 200
    wait: float = 0.0
    retry_after: int | None = None
    why: str = ""
    """Why it fails or is slow; empty if it does neither."""


def behaviour(receiver: str, delivery: str, attempt: int) -> Behaviour:
    """Return how `receiver` treats this attempt (1, 2, …) of a delivery."""
    draw = zlib.crc32(delivery.encode()) % _OUT_OF
    first = attempt == 1
    if receiver == "crm-mirror" and draw < 2 and attempt <= 2:  # noqa: PLR2004  1 in 20, twice
        return Behaviour(500, why="fails twice")
    if receiver == "team-chat":
        if draw == 0 and attempt <= ATTEMPTS:
            return Behaviour(500, why="fails until it is replayed")
        if draw in (1, 2, 3) and first:
            return Behaviour(503, why="is down for a moment")
    if receiver == "warehouse" and first:
        if draw in (0, 1, 2):
            return Behaviour(wait=3.0, why="takes three seconds")
        if draw in (3, 4):
            return Behaviour(429, retry_after=3, why="asks for three seconds of rest")
    return Behaviour()

"""A rate limit over three nodes on one PostgreSQL database, seen by the receiver."""

import asyncio

import pytest

KEYS = "k1:" + "A" * 43 + "="
RATE = 20
SECONDS = 12.0

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    # The test names its database itself, so that it does not run twice.
    pytest.mark.parametrize("adapter", ["sqlite"], scope="session"),
]


async def test_three_nodes_keep_the_rate_together_though_one_is_killed(
    postgres_url, make_server, receiver
) -> None:
    """At the whole rate after the kill, too, never more than 10 % above it, and without a burst."""
    nodes = await asyncio.gather(
        *(make_server(DATABASE_URL=postgres_url, ENCRYPTION_KEYS=KEYS) for _ in range(3))
    )
    await nodes[0].webhook(receiver.url, rateLimit={"perSecond": RATE})
    events = [
        {"event": "contact.created", "organizationId": nodes[0].organization, "data": {"n": n}}
        for n in range(round(RATE * SECONDS * 1.5))
    ]
    for node, part in zip(nodes, (events[0::3], events[1::3], events[2::3]), strict=True):
        await node.ok("POST", "/api/v1/events/batch", part)
    (first, *_) = await receiver.wait_for(1)
    await receiver.wait_for(round(RATE * SECONDS / 3))
    await nodes[1].kill()
    loop = asyncio.get_running_loop()
    killed_at = loop.time() - first.at
    while loop.time() < first.at + SECONDS:
        await receiver.wait_for(len(receiver.requests) + 1)
    starts = [request.at - first.at for request in receiver.requests]

    def most_within(seconds: float, since: float = 0, until: float = SECONDS) -> int:
        return max(
            sum(begins <= at < begins + seconds for at in starts)
            for begins in starts
            if since <= begins <= until - seconds
        )

    assert sum(at < SECONDS for at in starts) <= RATE * SECONDS * 1.1
    assert most_within(1) <= RATE * 1.5
    # What a busy machine begins half a second late loses its turn, so only the best time counts.
    assert most_within(2, until=killed_at) >= RATE * 2 * 0.9
    assert most_within(3, since=killed_at) >= RATE * 3 * 0.9
    sent = {request["X-Winnerr-Delivery"] for request in receiver.requests}
    assert len(sent) >= len(starts) - RATE, "only what the killed node had sent comes twice"

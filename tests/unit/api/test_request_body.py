"""Bodies: how far they are read."""

import pytest

from winnerr_webhooks.api.http.request_head import content_length
from winnerr_webhooks.api.request_body import BodyQuota, read_body
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import Malformed, TooLarge, Unavailable
from winnerr_webhooks.quotas import Bound, Budget


def received(*messages):
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    return receive, waiting


def scope(length=None):
    return {"headers": [] if length is None else [(b"content-length", length)]}


def receiving(*, limit, share=0):
    bound = Bound("receiving_bytes", limit, "bytes", "a test", "api.bodies", "503", share)
    return Budget(bound, SystemClock())


def uncounted():
    return BodyQuota(receiving(limit=1_000), "org_1")


def piece(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_read_to_its_end():
    receive, _ = received(piece(b"ab"), piece(b""), piece(b"cd", more=False))
    assert await read_body(scope(b"4"), receive, 4, uncounted()) == b"abcd"


async def test_reading_stops_at_the_limit():
    receive, waiting = received(piece(b"abc"), piece(b"de"), piece(b"never read"))
    with pytest.raises(TooLarge):
        await read_body(scope(), receive, 4, uncounted())
    assert len(waiting) == 1


async def test_an_announced_length_is_checked_before_anything_is_read():
    receive, waiting = received(piece(b"abc", more=False))
    with pytest.raises(TooLarge):
        await read_body(scope(b"5"), receive, 4, uncounted())
    assert len(waiting) == 1


async def test_bodies_that_share_a_budget_give_back_what_they_took():
    """Each of them, also the one that finds none left."""
    budget = receiving(limit=8, share=5)
    receive, _ = received(piece(b"ab"), piece(b"c"), piece(b"d", more=False))
    with BodyQuota(budget, "org_1") as first:
        assert await read_body(scope(), receive, 9, first) == b"abcd"
        assert budget.in_use == 3
        receive, _ = received(piece(b"ab"), piece(b"cd"))
        with BodyQuota(budget, "org_1") as second, pytest.raises(Unavailable, match="This key"):
            await read_body(scope(), receive, 9, second)
        with BodyQuota(budget, "org_2") as other:
            other.grow(5)
            with BodyQuota(budget, "org_3") as third, pytest.raises(Unavailable, match="Too many"):
                third.grow(1)
    assert budget.in_use == 0


async def test_a_body_that_comes_whole_is_not_counted():
    budget = receiving(limit=0)
    receive, _ = received(piece(b"abc", more=False))
    with BodyQuota(budget, "org_1") as count:
        assert await read_body(scope(), receive, 9, count) == b"abc"
    assert budget.refused == 0


async def test_a_caller_that_hangs_up_leaves_nothing():
    for before in ((), (piece(b"ab"),)):
        receive, _ = received(*before, {"type": "http.disconnect"})
        with pytest.raises(Malformed):
            await read_body(scope(), receive, 4, uncounted())


@pytest.mark.parametrize(
    ("value", "length"), [(None, 0), (b"0", 0), (b"12", 12), (b"0" * 5_000 + b"7", 7)]
)
def test_a_content_length_may_begin_with_zeros(value, length):
    assert content_length(scope(value)["headers"]) == length

"""Shutdown: a part that does not end is logged, and the others are closed."""

import asyncio

import structlog

from winnerr_webhooks.pipeline.shutdown import ShutdownStack, within


async def test_parts_are_closed_last_opened_first_and_one_that_hangs_is_named() -> None:
    closed = []
    parts = ShutdownStack()
    never = asyncio.Event()

    async def close(name: str) -> None:
        if name == "fails":
            raise RuntimeError("a fault of ours")
        if name == "hangs":
            await never.wait()
        closed.append(name)

    for name in ("storage", "hangs", "fails", "node"):
        parts.add(name, lambda name=name: close(name))
    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(60):
            await parts.close(0.05)
    assert closed == ["node", "storage"]
    assert [(line["event"], line["part"]) for line in lines] == [
        ("this was not closed", "fails"),
        ("this did not stop in time", "hangs"),
    ]
    never.set()


async def test_work_at_once_ends_with_the_longest_or_with_its_time() -> None:
    never = asyncio.Event()
    ended = asyncio.Event()

    async def end() -> None:
        ended.set()

    with structlog.testing.capture_logs() as lines:
        await within(0.05, short=end(), long=never.wait())
    assert ended.is_set()
    assert [line["part"] for line in lines] == ["long"]
    never.set()

"""Batcher: one call at a time, and what is added during a call goes into the next batch."""

import asyncio

import pytest

from winnerr_webhooks.pipeline.batcher import FEW, Batcher, Fifo


class Calls:
    """Notes each batch; holds a call open until the test lets it go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.fault: Exception | None = None

    async def __call__(self, batch: list[str]) -> float:
        self.batches.append(batch)
        self.began.set()
        await self.go.wait()
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        return 0.0


async def test_items_added_during_a_call_go_into_the_next_batch_up_to_the_limit() -> None:
    calls = Calls()
    batcher = Batcher(Fifo[str](2), calls)
    batcher.add("a")
    await calls.began.wait()
    for item in "bcd":
        batcher.add(item)
    calls.go.set()
    await batcher.idle()
    assert calls.batches == [["a"], ["b", "c"], ["d"]]


async def test_an_error_of_a_call_does_not_keep_later_items_from_being_processed() -> None:
    calls = Calls()
    batcher = Batcher(Fifo[str](1), calls)
    calls.fault = RuntimeError("a fault of ours")
    batcher.add("a")
    await calls.began.wait()
    idle = asyncio.ensure_future(batcher.idle())
    await asyncio.sleep(0)  # it waits for the call
    calls.go.set()
    with pytest.raises(RuntimeError):
        await idle
    batcher.add("b")
    await batcher.idle()
    assert calls.batches == [["a"], ["b"]]


async def test_a_stopped_batcher_finishes_its_call_and_starts_no_other() -> None:
    calls = Calls()
    queue: Fifo[str] = Fifo(1)
    batcher = Batcher(queue, calls)
    batcher.add("a")
    await calls.began.wait()
    batcher.add("b")
    batcher.stop()
    calls.go.set()
    await batcher.idle()
    batcher.add("c")
    assert not batcher.is_busy
    assert (calls.batches, queue.clear()) == ([["a"]], ["b", "c"])


async def test_a_call_that_outlasts_the_close_is_cancelled() -> None:
    calls = Calls()
    batcher = Batcher(Fifo[str](1), calls)
    batcher.add("a")
    await calls.began.wait()
    await batcher.close(0.0)
    assert not batcher.is_busy


def test_items_put_back_come_first_again() -> None:
    queue: Fifo[str] = Fifo(2)
    for item in "abc":
        queue.put(item)
    queue.put_back(queue.next_batch())
    assert queue.next_batch() == ["a", "b"]
    queue.put("a")
    queue.sort(ord)
    assert queue.next_batch() == ["a", "c"]


async def test_a_few_items_wait_for_more() -> None:
    calls = Calls()
    calls.go.set()
    batcher = Batcher(Fifo[str](100), calls, gather_seconds=0.01)
    batcher.add("a")
    await asyncio.sleep(0)
    assert calls.batches == []
    assert batcher.is_busy
    batcher.add("b")
    await calls.began.wait()
    assert calls.batches == [["a", "b"]]


async def test_a_few_items_that_came_during_a_call_wait_too_and_many_do_not() -> None:
    calls = Calls()
    batcher = Batcher(Fifo[str](100), calls, gather_seconds=3_600.0)
    batcher.add("first")
    batcher.hurry()
    await calls.began.wait()
    for number in range(FEW):
        batcher.add(str(number))
    calls.began.clear()
    calls.go.set()
    await calls.began.wait()  # many: at once
    batcher.add("later")
    await asyncio.sleep(0)
    assert [len(batch) for batch in calls.batches] == [1, FEW]
    await batcher.idle()  # whoever waits for the end does not wait for more items
    assert calls.batches[2] == ["later"]


async def test_closing_processes_what_was_gathered() -> None:
    calls = Calls()
    calls.go.set()
    batcher = Batcher(Fifo[str](100), calls, gather_seconds=3_600.0)
    batcher.add("a")
    await batcher.close(60)
    assert calls.batches == [["a"]]

"""A loop of a node: a coroutine that runs from `start` to `close`."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class LoopTask:
    """Starts a loop as a task, and cancels it at the end."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Cancel the loop, and return when it has ended; does nothing if it was never started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

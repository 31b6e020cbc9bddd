"""Batch answers: the answers to all events of one call, as one future."""

import asyncio

from winnerr_webhooks.domain.errors import WebhooksError
from winnerr_webhooks.domain.event import Accepted


class BatchAnswers:
    """Collects the answers to several events: one future for all of them."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.all: asyncio.Future[list[Accepted | WebhooksError]] = loop.create_future()
        self._answers: list[Accepted | Exception | None] = [None] * count
        self._left = count
        if not count:
            self.all.set_result([])

    def put(self, index: int, answer: Accepted | None, error: Exception | None) -> None:
        """Take the answer to the event at this index."""
        self._answers[index] = answer or error
        self._left -= 1
        if not self._left and not self.all.done():  # the caller may have gone away
            self._finish()

    def _finish(self) -> None:
        answers = []
        for answer in self._answers:
            if isinstance(answer, Accepted | WebhooksError):
                answers.append(answer)
            else:  # a fault of ours
                self.all.set_exception(answer or AssertionError("no answer"))
                return
        self.all.set_result(answers)

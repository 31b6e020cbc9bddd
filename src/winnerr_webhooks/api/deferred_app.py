"""An ASGI application that is loaded while the node already takes events.

Litestar, the page's templates and the modules around them take longer to load than everything else
of a node together. Events and probes do not need them, so a node loads them after it is ready
(docs/adr/0031).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol


class StoppableApp(Protocol):
    """An ASGI application with answers that may never end by themselves."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        ...

    def stop(self) -> None:
        """End the answers that would delay the stop of the node."""
        ...


class DeferredApp:
    """An application that answers once it is loaded; requests that come before wait for that."""

    def __init__(self, load: Callable[[], StoppableApp]) -> None:
        """`load` imports and builds the application; it runs in a thread."""
        self._load = load
        self._app: asyncio.Future[StoppableApp] = asyncio.get_running_loop().create_future()

    async def load(self) -> None:
        """Load the application, and let the waiting requests go on in the order they came.

        Raises what `load` raises; then the requests that wait, and later ones, fail with it.
        """
        try:
            self._app.set_result(await asyncio.to_thread(self._load))
        except Exception as error:
            self._app.set_exception(error)
            self._app.exception()  # now asyncio does not complain when no request waits for it
            raise

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        app = await asyncio.shield(self._app)  # a request that is cut off does not end the others
        await app(scope, receive, send)

    def stop(self) -> None:
        """End the answers that would delay the stop of the node: now, or once it is loaded."""
        self._app.add_done_callback(_stop)


def _stop(app: asyncio.Future[StoppableApp]) -> None:
    if app.exception() is None:
        app.result().stop()

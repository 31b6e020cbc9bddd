"""What a connection and the request on it use of each other."""

from collections.abc import Coroutine
from typing import Any, Protocol


class Request(Protocol):
    """One request on its way to an answer, driven by its connection."""

    keep_alive: bool
    """Whether the connection stays open after the answer."""
    has_head_only: bool
    """Whether its answer has no body."""

    @property
    def has_caller(self) -> bool:
        """Whether it has shown a working key or session."""
        ...

    @property
    def response_started(self) -> bool:
        """Whether a part of the answer has been sent."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether more of its body may be read now."""
        ...

    @property
    def awaits_body(self) -> bool:
        """Whether it waits for more of its body, so that much may be read at once."""
        ...

    def receive_body(self, data: bytes, *, is_last: bool) -> None:
        """Take the next bytes of the body; with the last ones it is whole."""
        ...

    def disconnect(self) -> None:
        """Stop: no answer can be sent any more."""
        ...


class Connection(Protocol):
    """The connection that a request came on."""

    request: Request | None
    """The request that has no complete answer yet."""

    @property
    def date_line(self) -> bytes:
        """The Date header line of an answer that is sent now."""
        ...

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a request's work as a task."""
        ...

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        ...

    async def wait_until_writable(self) -> None:
        """Return once the caller has taken most of what was sent, or is gone."""
        ...

    def read_on(self) -> None:
        """Read more of the body, which the request wants now."""
        ...

    def finish(self, data: bytes) -> None:
        """Send the last part of the answer, and go on to the next request."""
        ...

    def close(self) -> None:
        """End the connection: the answer cannot be completed."""
        ...

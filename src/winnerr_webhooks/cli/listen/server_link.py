"""Server link: the stream of offered deliveries, and the calls that answer them.

Two connections, both opened from here. The stream is read in a thread of its own. It counts as lost
when it is silent for longer than three heartbeats; then, and after any other error, it is opened
again, for as long as the key works. A call that another node has to answer (421, RFC 9110, section
15.5.20) is repeated on a new connection.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from winnerr_webhooks.cli.api_client import Answer, ApiConnection, refusal
from winnerr_webhooks.cli.listen.listener_values import (
    ListenerRequest,
    OfferedDelivery,
    OpenListener,
)
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Jitter

SILENCE_SECONDS: Final = 15.0
"""A stream that is silent for so long is lost; the server sends a heartbeat every 5 s."""
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 10.0
"""Seconds until the stream is opened again: the first wait, doubled each time, up to the last."""
STOP_SECONDS: Final = 1.0
"""How long to wait for the stream's thread at the end."""
MISDIRECTED: Final = 421
MISDIRECTED_TRIES: Final = 40
"""How many connections a call tries, to reach the node that has the stream."""
MISDIRECTED_WAIT: Final = 0.05
UNAUTHORIZED: Final = 401
MOST_REFUSALS: Final = 500
"""Statuses from 400 to this are mistakes of the caller."""
KEY_REVOKED: Final = "key_revoked"


class Connected(NamedTuple):
    """The stream is open."""

    listener: OpenListener
    is_first: bool


class Lost(NamedTuple):
    """The stream is gone, and is opened again."""

    reason: str


class Closed(NamedTuple):
    """The stream is gone for good."""

    reason: str
    key_refused: bool


class Offered(NamedTuple):
    """A delivery came."""

    offer: OfferedDelivery
    stream: str
    """The stream that its answer belongs to."""


Message = Connected | Lost | Closed | Offered


class _Refused(Exception):  # noqa: N818  it is not an error: it ends the loop
    """The server refuses the call for good."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(" ".join(refusal(answer)))
        self.answer = answer


class ServerLink:
    """Talks to the server for one `listen`. `on_message` is called in the stream's thread."""

    def __init__(
        self,
        server: str,
        key: str,
        request: ListenerRequest,
        on_message: Callable[[Message], None],
        jitter: Jitter,
    ) -> None:
        self._server = server
        self._key = key
        self._request = request
        self._on_message = on_message
        self._jitter = jitter
        self._silence = SILENCE_SECONDS
        self._stopping = threading.Event()
        self._stream_connection: ApiConnection | None = None
        self._calls = ApiConnection(server, key, SILENCE_SECONDS)
        self._thread = threading.Thread(target=self._run, name="listen stream", daemon=True)
        self.stream: str | None = None
        """The id of the open stream; None while there is none."""
        self._latest = ""
        self._was_open = False

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """End the stream and the calls under way."""
        self._stopping.set()
        if self._stream_connection is not None:
            self._stream_connection.shut_down()
        self._calls.shut_down()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    # --- the stream -----------------------------------------------------------------------------

    def _run(self) -> None:
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            reason, was_open = "", False
            try:
                for message in self._connection():
                    was_open = True
                    self._on_message(message)
                    if isinstance(message, Closed):
                        return
                reason = "The server ended the stream."
            except _Refused as refused:
                status = refused.answer.status
                if status == UNAUTHORIZED or (status < MOST_REFUSALS and not self._was_open):
                    self._on_message(Closed(str(refused), status == UNAUTHORIZED))
                    return
                reason = str(refused)
            except TimeoutError:
                reason = f"The server was silent for {self._silence:g} seconds."
            except Unavailable as error:
                reason = str(error)
            except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
                reason = f"The connection broke: {str(error) or type(error).__name__}."
            finally:
                self.stream = None
            if self._stopping.is_set():
                return
            self._on_message(Lost(reason))
            wait = FIRST_WAIT if was_open else min(2 * wait, LONGEST_WAIT)
            self._stopping.wait(self._jitter.around(wait))

    def _connection(self) -> Iterator[Message]:
        """Open the listener and its stream; yield what comes until the stream ends."""
        self._stream_connection = connection = ApiConnection(self._server, self._key, self._silence)
        try:
            opened = connection.call(
                "POST", "/api/v1/listeners", msgspec.json.encode(self._request)
            )
            if not opened.accepted:
                raise _Refused(opened)
            listener = msgspec.json.decode(opened.body, type=OpenListener)
            query = {"forwardTo": self._request.forward_to, "replaces": self._latest}
            response = connection.open(
                "GET",
                f"/api/v1/organizations/{listener.organization_id}/listeners/{listener.id}/stream"
                f"?{urlencode(query)}",
            )
            if response.status != HTTPStatus.OK:
                raise _Refused(Answer(response.status, response.read()))
            yield from self._events(response, listener)
        finally:
            connection.close()

    def _events(
        self, response: http.client.HTTPResponse, listener: OpenListener
    ) -> Iterator[Message]:
        for name, data in _server_sent_events(response):
            if name == "hello":
                self.stream = self._latest = msgspec.json.decode(data)["stream"]
                is_first, self._was_open = not self._was_open, True
                yield Connected(listener, is_first)
            elif name == "delivery":
                offer = msgspec.json.decode(data, type=OfferedDelivery)
                yield Offered(offer, self._latest)
            elif name == "end":
                if msgspec.json.decode(data).get("reason") == KEY_REVOKED:
                    yield Closed("The API key was revoked.", key_refused=True)
                return

    # --- calls ----------------------------------------------------------------------------------

    def call(self, path: str, body: bytes, *, stream: str | None = None) -> Answer:
        """Post to the server; with `stream`, to the node that has it, while it is open.

        Raises `Unavailable` without an answer. Calls must not be made from two threads at once.
        """
        answer = Answer(MISDIRECTED, b"")
        for _ in range(MISDIRECTED_TRIES):
            answer = self._post(path, body)
            if answer.status != MISDIRECTED or self.stream != stream:
                break
            self._calls.close()
            self._stopping.wait(MISDIRECTED_WAIT)
        return answer

    def _post(self, path: str, body: bytes) -> Answer:
        """Post on the kept connection; once more if the server had closed it."""
        try:
            return self._calls.call("POST", path, body)
        except Unavailable:
            self._calls.close()
            return self._calls.call("POST", path, body)


def _server_sent_events(response: http.client.HTTPResponse) -> Iterator[tuple[str, bytes]]:
    """Yield name and data of each event (WHATWG HTML, section 9.2.6)."""
    name, data = "", b""
    while line := response.readline():
        line = line.rstrip(b"\r\n")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield name, data
            name, data = "", b""
        elif field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value

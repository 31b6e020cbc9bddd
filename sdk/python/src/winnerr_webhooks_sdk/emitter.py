"""`Emitter`: sends events to the API, from threads."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from datetime import datetime
from typing import Dict, Generator, Iterable, List, Optional, Tuple, TypeVar, Union

from winnerr_webhooks_sdk.exchange import (
    Accepted,
    Answer,
    Call,
    Lost,
    Reply,
    Result,
    Step,
    emit_batches,
    emit_one,
)
from winnerr_webhooks_sdk.new_event import Data, NewEvent, Submission, encode
from winnerr_webhooks_sdk.target import Target

_T = TypeVar("_T")

IDLE_SECONDS = 30.0
"""An idle connection older than this is not used again."""


class Emitter:
    """Sends events to the API; one emitter serves all threads of a process.

    `url` is the address of Winnerr Webhooks and `key` an API key. Connections are kept and used
    again. `timeout` is how many seconds the API may be silent. Calls are repeated with the same id
    when the API asks for it (503) and when a connection is lost, for at most `retry_for` seconds.
    Certificates are verified, by `context` if it is given.

        with Emitter("https://webhooks.example.com", key) as emitter:
            emitter.emit("contact.created", "org_abc123", {"id": "contact_xyz"}, id="crm-8841")
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 10.0,
        retry_for: float = 30.0,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self._target = Target(url, key, context)
        self._timeout = timeout
        self._retry_for = retry_for
        self._idle: List[Tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()
        self._process = os.getpid()

    def emit(
        self,
        event: str,
        organization: str,
        data: Data,
        id: Optional[str] = None,
        happened_at: Optional[datetime] = None,
    ) -> Accepted:
        """Send one event; return once it and its deliveries are on the API's disk.

        `id` makes it safe to call this again for the same thing, also from another process; left
        out, only the repeats within this call are safe. `Refused` when the event is wrong or the
        key is, `Unavailable` when the API could not be reached in time.
        """
        submission = encode(NewEvent(event, organization, data, id, happened_at))
        return self._run(emit_one(submission, self._retry_for))

    def emit_many(self, events: Iterable[NewEvent]) -> List[Result]:
        """Send any number of events, up to 1,000 in a call; the result of each, in order.

        A result is `Accepted`, `Refused` or `Unavailable`: errors of single events are returned,
        not raised. Nothing is sent if an event cannot be encoded (`ValueError`, `TypeError`).
        `Refused` is raised when all of it is refused, such as for a wrong key.
        """
        return self.submit([encode(event) for event in events])

    def submit(self, submissions: List[Submission]) -> List[Result]:
        """Do what `emit_many` does with events that are encoded already."""
        return self._run(emit_batches(submissions, self._retry_for))

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def __enter__(self) -> Emitter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Generator[Step, Reply, _T]) -> _T:
        reply: Reply = None
        try:
            while True:
                step = flow.send(reply)
                if isinstance(step, Call):
                    reply = self._call(step)
                else:
                    reply = None
                    time.sleep(step.seconds)
        except StopIteration as done:
            result: _T = done.value
            return result

    def _call(self, call: Call) -> Union[Answer, Lost]:
        connection = self._take()
        reused = connection.sock is not None
        try:
            answer = self._exchange(connection, call)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise self._target.untrusted(error) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if reused:
                self.close()  # the others are likely as stale
            return Lost(str(error) or type(error).__name__, reused)
        except BaseException:
            connection.close()  # it is in the middle of something
            raise
        if connection.sock is not None:
            self._give_back(connection)
        return answer

    def _exchange(self, connection: http.client.HTTPConnection, call: Call) -> Answer:
        path, whole = self._target.path + call.path, True
        try:
            connection.request("POST", path, call.body, self._target.headers)
        except (BrokenPipeError, ConnectionResetError):
            # The API may have answered before it had read everything, such as for a wrong key.
            whole = False
        response = connection.getresponse()
        body = response.read()
        if not whole:
            connection.close()
        headers: Dict[str, str] = {name.lower(): text for name, text in response.getheaders()}
        return Answer(response.status, headers, body)

    def _take(self) -> http.client.HTTPConnection:
        """Return the connection used last, or a new one that is not open yet."""
        with self._lock:
            if self._process != os.getpid():  # this is a fork: the connections are the parent's
                self._process, self._idle = os.getpid(), []
            while self._idle:
                since, connection = self._idle.pop()
                if time.monotonic() - since < IDLE_SECONDS:
                    return connection
                connection.close()
        target = self._target
        if target.context is not None:
            return http.client.HTTPSConnection(
                target.host, target.port, timeout=self._timeout, context=target.context
            )
        return http.client.HTTPConnection(target.host, target.port, timeout=self._timeout)

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append((time.monotonic(), connection))

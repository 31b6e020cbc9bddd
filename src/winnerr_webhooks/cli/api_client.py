"""Calls the REST API: one request, one answer, and errors as readable lines."""

import http.client
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.config import environment
from winnerr_webhooks.domain.errors import Invalid, Unavailable
from winnerr_webhooks.settings_table import PREFIX

_KEY_VARIABLE = PREFIX + "API_KEY"


class Answer(msgspec.Struct, frozen=True):
    """The answer of the server."""

    status: int
    body: bytes
    retry_after: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004  RFC 9110, section 15.3


class Problem(msgspec.Struct, frozen=True):
    """The part of an RFC 9457 problem that a command shows."""

    title: str = ""
    detail: str = ""
    errors: tuple[dict[str, str], ...] = ()


def api_key(given: str | None) -> str:
    """Return the API key of a command: its option --key, or the environment's."""
    key = given or environment().get(_KEY_VARIABLE)
    if not key:
        raise Invalid(
            f"No API key: give --key or {_KEY_VARIABLE} "
            "(create one with: winnerr-webhooks keys create --name NAME)."
        )
    if not (key.isascii() and key.isprintable()):
        raise Invalid("The API key has a character that is never part of a key; copy it again.")
    return key


def call(
    server: str,
    key: str,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    seconds: float = 30.0,
) -> Answer:
    """Send one request to the API at the URL `server`. Raises `Unavailable` without an answer."""
    connection = ApiConnection(server, key, seconds)
    try:
        return connection.call(method, path, body)
    finally:
        connection.close()


class ApiConnection:
    """One connection to the API at the URL `server`; it connects when it is first used.

    `seconds` is how long connecting, and each read, may take. Not for two threads at once, except
    for `shut_down`.
    """

    def __init__(self, server: str, key: str, seconds: float) -> None:
        """Raises `Invalid` if `server` is not a URL."""
        try:
            parts = urlsplit(server)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(f"{server!r} is not the URL of a server: expected http://host:port.")
        of_scheme = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._http = of_scheme(parts.hostname, port, timeout=seconds)
        self._server = server
        self._base = parts.path.rstrip("/")
        self._key = key

    def open(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """Send one request, and return its response to be read. `Unavailable` if none comes."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "User-Agent": f"Winnerr-Webhooks-CLI/{__version__}",
        }
        try:
            self._http.request(method, self._base + path, body, headers)
            return self._http.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error

    def call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Send one request and read its answer; the connection is kept for the next one."""
        response = self.open(method, path, body)
        try:
            return Answer(response.status, response.read(), response.getheader("Retry-After"))
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error

    def shut_down(self) -> None:
        """End a read that another thread waits for."""
        if self._http.sock is not None:
            with suppress(OSError):
                self._http.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._http.close()

    def _no_answer(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"No answer from {self._server} ({str(error) or type(error).__name__}): is "
            "`winnerr-webhooks serve` running there?"
        )


def refusal(answer: Answer) -> list[str]:
    """Return the lines that say why a call was refused: the problem, then each wrong field."""
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except msgspec.DecodeError:
        start = answer.body[:200].decode(errors="replace").strip()
        return [f"{answer.status}, but not from the API of Winnerr Webhooks: {start}"]
    messages = [error.get("message", "") for error in problem.errors]
    detail = "" if problem.detail in messages else problem.detail
    lines = [f"{answer.status} {problem.title}: {detail}".rstrip(": ")]
    lines += [
        f"  {error.get('pointer') or '/'}: {error.get('message')}" for error in problem.errors
    ]
    if answer.retry_after:
        lines.append(f"  Try again in {answer.retry_after} s.")
    return lines

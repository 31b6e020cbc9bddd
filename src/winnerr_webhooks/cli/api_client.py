"""Calls the REST API: one request, one answer, and errors as readable lines."""

import http.client
import ssl
from urllib.parse import urlsplit

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.domain.errors import Invalid, Unavailable


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
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(f"{server!r} is not the URL of a server: expected http://host:port.")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, port, timeout=seconds)
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "User-Agent": f"Winnerr-Webhooks-CLI/{__version__}",
    }
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.getheader("Retry-After"))
    except (OSError, ssl.SSLError, http.client.HTTPException) as error:
        raise Unavailable(
            f"No answer from {server} ({str(error) or type(error).__name__}): is "
            "`winnerr-webhooks serve` running there?"
        ) from error
    finally:
        connection.close()


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

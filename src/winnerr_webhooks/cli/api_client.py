"""The API as a caller meets it: one request, one answer, and refusals as readable lines."""

import http.client
import ssl
from urllib.parse import urlsplit

import msgspec

from winnerr_webhooks import __version__
from winnerr_webhooks.domain.errors import Invalid, Unavailable


class Answer(msgspec.Struct, frozen=True):
    """What the server said."""

    status: int
    body: bytes
    retry_after: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether it is a 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004  the class of success, RFC 9110 §15.3


class Problem(msgspec.Struct, frozen=True):
    """What this command shows of an RFC 9457 problem."""

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
    """Send one request to the API at `server` (a URL). `Unavailable` when it gives no answer."""
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(f"{server!r} is no server: expected http://host:port.")
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
    """Say why a call was refused: a line of what is wrong, then a line for each wrong field."""
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except msgspec.DecodeError:
        start = answer.body[:200].decode(errors="replace").strip()
        return [f"{answer.status}, and not from the API of Winnerr Webhooks: {start}"]
    messages = [error.get("message", "") for error in problem.errors]
    detail = "" if problem.detail in messages else problem.detail
    lines = [f"{answer.status} {problem.title}: {detail}".rstrip(": ")]
    lines += [
        f"  {error.get('pointer') or '/'}: {error.get('message')}" for error in problem.errors
    ]
    if answer.retry_after:
        lines.append(f"  Try again in {answer.retry_after} s.")
    return lines

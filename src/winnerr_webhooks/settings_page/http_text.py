"""Requests and responses as text: header lines, raw and indented bodies, a curl command."""

import shlex
from typing import Final

import msgspec

from winnerr_webhooks.domain.credentials import MASK
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.url import parse_url

_CURL_HEADERS: Final = {"host", "content-length", "connection", "user-agent"}
"""Headers that curl sends by itself."""
_SECRET: Final = "<secret>"  # noqa: S105  what stands for one


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request or response body as text. A page shows it with the filter `visible`."""

    raw: str
    """The body as it was sent; bytes that are not UTF-8 are U+FFFD."""
    indented: str | None
    """The body indented; None when it is not JSON or is indented already."""
    is_json: bool
    size: int
    """Bytes."""
    truncated: bool = False


def body_text(raw: bytes, content_type: str) -> Body:
    """A body as text, and indented when it is JSON. Digits and key order stay as sent."""
    text = raw.decode("utf-8", "replace")
    indented = None
    if raw and (b"{" in raw[:64] or b"[" in raw[:64]) and "html" not in content_type.lower():
        try:
            indented = msgspec.json.format(raw, indent=2).decode("utf-8", "replace")
        except (msgspec.DecodeError, RecursionError):
            indented = None
    return Body(
        raw=text,
        indented=indented if indented != text else None,
        is_json=indented is not None,
        size=len(raw),
    )


def header_lines(head: bytes) -> list[tuple[str, str]]:
    """(name, value) of each line as it was sent; the value is empty in a line without a colon."""
    found = []
    for line in head.split(b"\r\n"):
        if line:
            name, colon, value = line.partition(b": ")
            if not colon:
                name, _, value = line.partition(b":") if b" " not in line else (line, b"", b"")
            found.append((_text(name), _text(value.strip())))
    return found


def curl_command(url: str, headers: list[tuple[str, str]], body: bytes) -> str:
    """A command for a POSIX shell that sends the same request, with exactly the same body.

    What the log masks is `<secret>` in it. curl would take brackets and braces of a URL as
    patterns, and resolve `/../` in it.
    """
    lines = [f"curl --globoff --path-as-is {shlex.quote(_as_sent(url))}"]
    lines += [
        f"-H {shlex.quote(f'{name}: {value.replace(MASK, _SECRET)}')}"
        for name, value in headers
        if name.lower() not in _CURL_HEADERS
    ]
    lines.append(f"--data-binary {shlex.quote(body.decode('utf-8', 'replace'))}")
    return " \\\n  ".join(lines)


def _as_sent(url: str) -> str:
    """The URL with the host and the target that the request had: encoded, in ASCII."""
    try:
        to = parse_url(url, allow_http=True)
    except Invalid:  # of a listener, which has no URL
        return url
    return f"{to.scheme}://{to.authority}{to.target}"


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")

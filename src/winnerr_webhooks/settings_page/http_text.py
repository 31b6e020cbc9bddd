"""Requests and responses as text: headers taken apart, bodies pretty and raw, a curl line."""

import shlex
from typing import Final

import msgspec

from winnerr_webhooks.settings_page.formatting import visible

_NOT_CURLS: Final = {"host", "content-length", "connection", "user-agent"}
"""Headers curl writes itself."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body to look at."""

    raw: str
    """Its bytes as inert text."""
    pretty: str | None
    """Indented, when it is JSON and not so already."""
    size: int
    truncated: bool = False


def pretty(raw: bytes, content_type: str) -> Body:
    """A body, and where it is JSON its indented form; digits and key order stay."""
    text = visible(raw)
    indented = None
    if raw and (b"{" in raw[:64] or b"[" in raw[:64]) and "html" not in content_type.lower():
        try:
            indented = visible(msgspec.json.format(raw, indent=2))
        except (msgspec.DecodeError, RecursionError):
            indented = None
    return Body(raw=text, pretty=indented if indented != text else None, size=len(raw))


def header_lines(head: bytes) -> list[tuple[str, str]]:
    """(name, value) of each line as it was sent; a line without a colon has no value."""
    found = []
    for line in head.split(b"\r\n"):
        if line:
            name, colon, value = line.partition(b": ")
            if not colon:
                name, _, value = line.partition(b":") if b" " not in line else (line, b"", b"")
            found.append((visible(name), visible(value.strip())))
    return found


def as_curl(url: str, headers: list[tuple[str, str]], body: bytes) -> str:
    """The same request for a POSIX shell, byte for byte in its body."""
    lines = [f"curl {shlex.quote(url)}"]
    lines += [
        f"-H {shlex.quote(f'{name}: {value}')}"
        for name, value in headers
        if name.lower() not in _NOT_CURLS
    ]
    lines.append(f"--data-binary {shlex.quote(body.decode('utf-8', 'replace'))}")
    return " \\\n  ".join(lines)

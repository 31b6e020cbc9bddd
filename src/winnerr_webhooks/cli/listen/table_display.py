"""The live table of `listen`: the newest deliveries, one selected, and keys to act on it.

It draws on the terminal's alternate screen with ANSI escape sequences (ECMA-48), so that quitting
leaves the terminal as it was. Nothing that a server or a receiver sent reaches the terminal
unchecked: characters that are not printable are shown as `·`.
"""

import asyncio
import base64
import os
import signal
import termios
import tty
from typing import TYPE_CHECKING, Final, TextIO

from winnerr_webhooks.cli.listen.line_display import local_time, remedy
from winnerr_webhooks.cli.listen.listener_values import OpenListener, Row
from winnerr_webhooks.cli.listen.row_details import curl_of, detail_lines

if TYPE_CHECKING:
    from winnerr_webhooks.cli.listen.listen_session import ListenSession

KEPT_ROWS: Final = 1_000
DRAW_SECONDS: Final = 0.05
"""Seconds between two drawings, at least."""
HEADER_LINES: Final = 6
FOOTER_LINES: Final = 2

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
"""Alternate screen, no cursor."""
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_KEYS: Final = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down", "k": "up", "j": "down",
    "\x1b[H": "first", "\x1b[F": "last", "\r": "details", "\n": "details", "\x1b": "back",
    "r": "replay", "c": "curl", "q": "quit",
}  # fmt: skip
_BOLD, _DIM, _RED, _GREEN, _YELLOW, _REVERSE, _PLAIN = (
    f"\x1b[{code}m" for code in (1, 2, 31, 32, 33, 7, 0)
)


class TableDisplay:
    """Draws a run on a terminal, and reads its keys."""

    def __init__(self, output: TextIO, keyboard: TextIO) -> None:
        self._output = output
        self._keyboard = keyboard
        self._rows: dict[tuple[str, int], Row] = {}
        self._selected: Row | None = None
        """The selected row; None: the newest one."""
        self._details: list[str] | None = None
        """The lines of the details, while they are shown."""
        self._scrolled = 0
        self._state = f"{_YELLOW}connecting …{_PLAIN}"
        self._listener: OpenListener | None = None
        self._drawing: asyncio.TimerHandle | None = None

    # --- what the session says ------------------------------------------------------------------

    def start(self, session: "ListenSession") -> None:
        """Take the terminal over."""
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._saved = termios.tcgetattr(self._keyboard)
        self._take_terminal()
        self._loop.add_reader(self._keyboard, self._read_keys)
        self._loop.add_signal_handler(signal.SIGWINCH, self._draw_soon)
        self._loop.add_signal_handler(signal.SIGCONT, self._take_terminal)

    def connected(self, listener: OpenListener) -> None:
        """Show that deliveries come."""
        self._listener = listener
        self._state = f"{_GREEN}connected{_PLAIN}"
        self._draw_soon()

    def lost(self, reason: str) -> None:
        """Show why no deliveries come."""
        self._state = f"{_YELLOW}connecting again{_PLAIN}: {printable(reason)}"
        self._draw_soon()

    def changed(self, row: Row) -> None:
        """Show a row as it is now."""
        self._rows[row.offer.key] = row
        if len(self._rows) > KEPT_ROWS:
            self._rows.pop(next(iter(self._rows)))
        self._draw_soon()

    def close(self) -> None:
        """Give the terminal back, and say in one line what there was."""
        if self._drawing is not None:
            self._drawing.cancel()
        self._loop.remove_reader(self._keyboard)
        self._loop.remove_signal_handler(signal.SIGWINCH)
        self._loop.remove_signal_handler(signal.SIGCONT)
        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._saved)
        succeeded = sum(row.succeeded for row in self._rows.values())
        self._write(f"{_LEAVE}{len(self._rows)} requests forwarded, {succeeded} answered 2xx.\n")

    def _take_terminal(self) -> None:
        tty.setcbreak(self._keyboard, termios.TCSADRAIN)
        self._write(_ENTER)
        self._draw_soon()

    # --- keys -----------------------------------------------------------------------------------

    def _read_keys(self) -> None:
        text = self._keyboard.buffer.raw.read(64).decode(errors="replace")  # type: ignore[attr-defined]
        if not text:
            self._session.stop()
        while text:
            key = next((text[:size] for size in (3, 1) if text[:size] in _KEYS), text[0])
            text = text[len(key) :]
            self._press(_KEYS.get(key, ""))
        self._draw_soon()

    def _press(self, key: str) -> None:
        row = self._current()
        if key == "quit":
            self._session.stop()
        elif self._details is not None:
            if key in ("details", "back"):
                self._details = None
            elif key in ("up", "down"):
                self._scrolled = max(self._scrolled + (1 if key == "down" else -1), 0)
        elif key in ("up", "down", "first", "last"):
            self._move(key)
        elif row is None:
            return
        elif key == "replay":
            self._session.replay(row)
        elif key == "details":
            self._show(detail_lines(row, self._session.request.forward_to))
        elif key == "curl":
            command = curl_of(row.offer, self._session.request.forward_to)
            # OSC 52 puts it on the clipboard, where the terminal allows that.
            self._write(f"\x1b]52;c;{base64.b64encode(command.encode()).decode()}\a")
            self._show(["Copied, if your terminal allows it:", "", *command.split("\n")])

    def _show(self, lines: list[str]) -> None:
        self._details, self._scrolled = lines, 0

    def _current(self) -> Row | None:
        rows = list(self._rows.values())
        return self._selected or (rows[-1] if rows else None)

    def _move(self, key: str) -> None:
        rows = list(self._rows.values())
        if not rows:
            return
        current = self._current()
        at = rows.index(current) if current in rows else len(rows) - 1
        at = {"up": at - 1, "down": at + 1, "first": 0, "last": len(rows) - 1}[key]
        at = min(max(at, 0), len(rows) - 1)
        self._selected = None if at == len(rows) - 1 else rows[at]

    # --- drawing --------------------------------------------------------------------------------

    def _draw_soon(self) -> None:
        if self._drawing is None:
            self._drawing = self._loop.call_later(DRAW_SECONDS, self._draw)

    def _draw(self) -> None:
        self._drawing = None
        size = self._size()
        if self._details is not None:
            shown = self._detail_page(size)
        else:
            shown = [fit(line, size.columns) for line in self._table(size)[: size.lines]]
        self._write("\x1b[H" + "\x1b[K\r\n".join(shown) + "\x1b[K\x1b[J")

    def _size(self) -> os.terminal_size:
        """The terminal's size; some terminals do not know theirs and say 0."""
        columns, lines = os.get_terminal_size(self._output.fileno())
        return os.terminal_size((columns or 80, lines or 24))

    def _table(self, size: os.terminal_size) -> list[str]:
        rows = list(self._rows.values())
        room = max(size.lines - HEADER_LINES - FOOTER_LINES, 1)
        current = self._current()
        at = rows.index(current) if current in rows else len(rows) - 1
        first = max(min(len(rows) - room, at), 0)
        if at >= first + room:
            first = at - room + 1
        page = rows[first : first + room]
        lines = [*self._header(), *(self._row(row, selected=row is current) for row in page)]
        lines += [""] * (size.lines - FOOTER_LINES - len(lines))
        hint = remedy(current, self._session.request.forward_to) if current else ""
        lines.append(f"{_YELLOW}{printable(hint)}{_PLAIN}")
        lines.append(
            f"{_DIM}↑↓ select   Enter details   r replay   c copy as curl   q quit{_PLAIN}"
        )
        return lines

    def _header(self) -> list[str]:
        listener, to = self._listener, self._session.request.forward_to
        events = ", ".join(listener.events) if listener else "…"
        secret = (listener.secret or "none: requests are not signed") if listener else "…"
        organization = listener.organization_id if listener else "…"
        events = "all events" if events == "*" else events
        route = f"{printable(events)} of {organization}  → {_BOLD}{printable(to)}{_PLAIN}"
        return [
            f"{_BOLD}Webhooks{_PLAIN}  {route}",
            f"Secret  {printable(secret)}",
            f"Server  {self._state}",
            "",
            f"{_DIM}{'Time':<10}{'Event':<28}{'Status':>9}{'ms':>8}  Note{_PLAIN}",
            "",
        ][:HEADER_LINES]

    def _row(self, row: Row, *, selected: bool) -> str:
        exchange = row.exchange
        ms = f"{exchange.duration_ms:.0f}" if exchange else ""
        colour = "" if exchange is None else _GREEN if row.succeeded else _RED
        note = row.note or (f"attempt {row.offer.attempt}" if row.offer.attempt > 1 else "")
        start = f"{local_time(row.started_at):<10}{printable(row.offer.event)[:27]:<28}"
        result = f"{row.result[:9]:>9}"
        if selected:
            return f"{_REVERSE}{start}{result}{ms:>8}  {note:<24}{_PLAIN}"
        return f"{start}{colour}{result}{_PLAIN}{ms:>8}  {_DIM}{note}{_PLAIN}"

    def _detail_page(self, size: os.terminal_size) -> list[str]:
        """Return a page of details. The terminal wraps long lines, so that they can be copied."""
        lines = self._details or []
        room = max(size.lines - FOOTER_LINES, 1)
        self._scrolled = min(self._scrolled, max(len(lines) - 1, 0))
        page: list[str] = []
        for line in lines[self._scrolled :]:
            room -= max(-(-len(line) // size.columns), 1)
            if room < 0:
                break
            page.append(printable(line))
        page += [""] * max(room, 0)
        return [*page, "", f"{_DIM}↑↓ scroll   Enter back   q quit{_PLAIN}"]

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()


def printable(text: str) -> str:
    """Return text without anything that a terminal acts on."""
    return "".join(one if one.isprintable() else "·" for one in text)


def fit(line: str, width: int) -> str:
    """Cut a line to the width of the terminal; escape sequences take no place."""
    shown, taken, at = [], 0, 0
    while at < len(line):
        if line[at] == "\x1b":
            end = line.index("m", at) + 1
            shown.append(line[at:end])
            at = end
            continue
        if taken < width:
            shown.append(line[at])
            taken += 1
        at += 1
    return "".join(shown)

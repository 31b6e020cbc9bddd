"""What `listen` shows: on a real (pseudo) terminal with keys, and as lines."""

import asyncio
import base64
import errno
import fcntl
import json
import os
import pty
import re
import struct
import termios
from contextlib import suppress

import pytest

from winnerr_webhooks.cli.listen.line_display import JsonLines, PlainLines, remedy
from winnerr_webhooks.cli.listen.listener_values import (
    ListenerRequest,
    OfferedDelivery,
    OpenListener,
    Row,
)
from winnerr_webhooks.cli.listen.row_details import curl_of, detail_lines
from winnerr_webhooks.cli.listen.table_display import TableDisplay, fit, printable
from winnerr_webhooks.domain.attempt import Exchange, Timings
from winnerr_webhooks.egress.failures import connect_failure

URL = "http://localhost:3000/hook"
LISTENER = OpenListener("wh_1", "org_1", ["*"], "whsec_secret", 10.0)
HEAD = (
    "POST /hook HTTP/1.1\r\nHost: localhost:3000\r\nContent-Type: application/json\r\n"
    "X-Winnerr-Signature: sha256=abc\r\nContent-Length: 16\r\n\r\n"
)
BODY = '{"it\'s":"a test"}'


def offer(number: int = 1, attempt: int = 1, event: str = "contact.created") -> OfferedDelivery:
    return OfferedDelivery(
        f"dlv_{number}", f"evt_{number}", event, attempt, "automatic", HEAD, BODY
    )


def row(number: int = 1, status: int | None = 200, *, body: bytes = b"ok", **fields) -> Row:
    made = Row(offer(number, **fields), 1_800_000_000_000)
    failure = None
    if status is None:
        failure = connect_failure(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    made.exchange = Exchange(
        started_at=made.started_at,
        duration_ms=12.4,
        timings=Timings(),
        status=status,
        response_body=body,
        failure=failure,
    )
    made.is_recorded = True
    return made


class Session:
    """What the keys ask for."""

    def __init__(self) -> None:
        self.request = ListenerRequest(forward_to=URL)
        self.replayed: list[str] = []
        self.stopped = asyncio.Event()

    def replay(self, wanted: Row) -> None:
        self.replayed.append(wanted.offer.delivery_id)

    def stop(self) -> None:
        self.stopped.set()


class Terminal:
    """A pseudo-terminal of 80 columns and what a person sees on it."""

    def __init__(self, lines: int = 12) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 80, 0, 0))
        self.input, self.output = os.fdopen(slave, "r"), os.fdopen(os.dup(slave), "w")
        self.before = termios.tcgetattr(self.input)
        self.raw = b""
        os.set_blocking(self.master, False)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    @property
    def screen(self) -> list[str]:
        """The lines of the last whole drawing."""
        last = self.raw.decode().rpartition("\x1b[H")[2]
        return [re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", line) for line in last.split("\n")]

    async def until(self, *texts: str) -> list[str]:
        """Wait until the screen shows all these texts."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.master, arrived.set)
        try:
            async with asyncio.timeout(20):
                while not all(any(text in line for line in self.screen) for text in texts):
                    await arrived.wait()
                    arrived.clear()
                    with suppress(BlockingIOError):
                        self.raw += os.read(self.master, 1 << 16)
        except TimeoutError as error:
            error.add_note("\n".join(self.screen))
            raise
        finally:
            loop.remove_reader(self.master)
        return self.screen

    def close(self) -> None:
        self.input.close()
        self.output.close()
        os.close(self.master)


@pytest.fixture
async def terminal():
    one = Terminal()
    yield one
    one.close()


@pytest.fixture
async def table(terminal):
    """A table on the terminal, with its session."""
    display, session = TableDisplay(terminal.output, terminal.input), Session()
    display.start(session)
    display.connected(LISTENER)
    yield display, session
    display.close()
    assert termios.tcgetattr(terminal.input) == terminal.before
    assert os.read(terminal.master, 1 << 16).endswith(b"answered 2xx.\r\n")


async def test_the_table_fits_80_columns_and_shows_where_events_go(terminal, table) -> None:
    display, _ = table
    display.changed(row())
    screen = await terminal.until("contact.created", "connected")
    assert all(len(line) <= 80 for line in screen)
    assert len(screen) == 12
    assert "all events of org_1" in screen[0]
    assert URL in screen[0]
    assert "whsec_secret" in screen[1]
    (line,) = [line for line in screen if "contact.created" in line]
    assert re.fullmatch(r"\d\d:\d\d:\d\d  contact\.created +200 +12 *", line)


async def test_keys_select_replay_show_copy_and_quit(terminal, table) -> None:
    display, session = table
    for number in range(1, 31):
        display.changed(row(number, 500 if number == 29 else 200))
    await terminal.until("200")
    terminal.type("\x1b[Ar")  # the one before the newest
    await terminal.until("(500)")
    assert session.replayed == ["dlv_29"]
    terminal.type("\r")
    await terminal.until("contact.created  dlv_29", "Request")
    terminal.type("\x1b")
    await terminal.until("Enter details")
    terminal.type("\x1b[Bc")
    await terminal.until("curl --globoff --path-as-is http://localhost:3000/hook")
    copied = re.search(rb"\x1b\]52;c;([^\a]+)\a", terminal.raw)
    assert base64.b64decode(copied[1]).decode() == curl_of(offer(30), URL)
    terminal.type("\rkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkr")
    await terminal.until("Enter details")
    terminal.type("q")
    await asyncio.wait_for(session.stopped.wait(), 20)
    assert session.replayed == ["dlv_29", "dlv_1"]


async def test_a_receiver_that_is_down_and_a_lost_server_are_shown_with_what_to_do(
    terminal, table
) -> None:
    display, _ = table
    display.changed(row(1, None))
    display.lost("No answer from http://crm.example.")
    screen = await terminal.until("refused", "start your receiver", "connecting again")
    assert all(len(line) <= 80 for line in screen)


async def test_nothing_that_a_receiver_sends_acts_on_the_terminal(terminal, table) -> None:
    display, _ = table
    display.changed(row(body=b"\x1b[2J\x1b]0;title\x07\xff<end>"))
    await terminal.until("200")
    terminal.type("\r")
    await terminal.until("Request")
    terminal.type("j" * 20)
    await terminal.until("·[2J·]0;title·\ufffd<end>")
    assert b"\x1b[2J" not in terminal.raw
    assert b"\x1b]0;" not in terminal.raw


def test_lines_are_cut_to_the_width_but_not_their_colours() -> None:
    assert fit("\x1b[31mabcdef\x1b[0m", 3) == "\x1b[31mabc\x1b[0m"
    assert printable("a\x1b\u202eb\n") == "a··b·"


def test_without_a_terminal_each_answer_is_a_line(tmp_path) -> None:
    with (tmp_path / "out").open("w+") as output:
        lines = PlainLines(output)
        lines.start(Session())
        lines.connected(LISTENER)
        lines.changed(row())
        lines.changed(Row(offer(2), 0))  # not answered yet
        lines.changed(row(3, None))
        lines.lost("The connection broke.")
        lines.connected(LISTENER)
        output.seek(0)
        said = output.read().splitlines()
    assert said[:2] == [f"Listening for * of org_1. Forwarding to {URL}.", "Secret: whsec_secret"]
    assert said[2].endswith("contact.created                 200      12 ms")
    assert "refused" in said[3]
    assert said[4].strip() == remedy(row(3, None), URL)
    assert said[5:] == ["The connection broke. Connecting again.", "Connected again."]


def test_the_curl_of_sends_the_same_bytes(tmp_path) -> None:
    """The shell itself takes the command apart."""
    import subprocess

    script = tmp_path / "curl"
    script.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n')
    script.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", curl_of(offer(), URL)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "--globoff",
        "--path-as-is",
        URL,
        *("-H", "Content-Type: application/json"),
        *("-H", "X-Winnerr-Signature: sha256=abc"),
        *("--data-binary", BODY),
    ]


def test_details_say_what_was_sent_what_came_back_and_what_to_do() -> None:
    lines = detail_lines(row(1, 500), URL)
    assert "  POST /hook HTTP/1.1" in lines
    assert f"  {BODY}" in lines
    assert "Response  500   12.4 ms" in lines
    assert "(500)" in " ".join(lines)
    assert detail_lines(Row(offer(), 0), URL)[-1] == "No answer yet."
    assert "No response" in detail_lines(row(1, None), URL)


def test_json_lines_have_the_failure_of_the_outgoing_client(tmp_path) -> None:
    with (tmp_path / "out").open("w+") as output:
        lines = JsonLines(output)
        lines.start(Session())
        lines.changed(row(3, None))
        output.seek(0)
        failed = json.loads(output.read().splitlines()[-1])
    message = "The receiver refused the connection."
    assert failed["deliveryId"] == "dlv_3"
    assert failed["error"] == {"kind": "connect", "message": message}

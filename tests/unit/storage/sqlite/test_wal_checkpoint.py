"""The write-ahead log is copied beside the writer, and started over again and again."""

import asyncio
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

from winnerr_webhooks.storage.sqlite.wal_checkpoint import COPIED_PAGES, LONG_PAGES, REST_PAGES


class Watched:
    """What the writer copies itself: how long the log was, and how much of it was left.

    The other thread may come so late that it copies everything; then `copies` says nothing of it.
    """

    def __init__(self, storage, new_event) -> None:
        self.storage = storage
        self.checkpointer = storage._threads._writer.checkpointer
        self.copies: list[tuple[int, int]] = []
        self.lengths: list[int] = []
        self._new_event = new_event
        self._copy_rest = self.checkpointer._copy_rest
        self.checkpointer._copy_rest = self._note

    def _note(self) -> None:
        self.copies.append(
            (self.checkpointer.pages, self.checkpointer.pages - self.checkpointer._copied)
        )
        self._copy_rest()

    async def write(self, pages: int) -> None:
        """Write about this many pages; while the log is copied, only a little."""
        for _ in range(pages // 120):
            await self._commit()
            if self.checkpointer._under_way.is_set():
                await self._commit()
            while self.checkpointer._under_way.is_set():
                await self.storage.keys()

    @property
    def starts(self) -> int:
        """How often the log was started over."""
        return sum(b < a for a, b in itertools.pairwise(self.lengths))

    async def _commit(self) -> None:
        events = [self._new_event(body=b"x" * 20_000) for _ in range(20)]
        await self.storage.accept(events, None)
        self.lengths.append(self.checkpointer.pages)


async def test_the_writer_copies_little_and_the_log_is_started_over(storage, new_event) -> None:
    watched = Watched(storage, new_event)
    await watched.write(6 * COPIED_PAGES)
    assert all(left <= REST_PAGES for _, left in watched.copies)
    assert max(watched.lengths) < LONG_PAGES
    assert watched.starts >= 3


async def test_a_reader_in_the_log_is_waited_for_but_not_at_every_commit(
    storage, new_event
) -> None:
    """Given somebody who reads for long.

    When much is written, then the log grows and copying is tried now and then; once he has read,
    the log is started over.
    """
    watched = Watched(storage, new_event)
    await watched.write(1_000)
    entered, opened = threading.Event(), threading.Event()

    def read(db) -> None:
        db.row("figures")  # from here on it sees this state
        entered.set()
        assert opened.wait(30)

    reading = asyncio.ensure_future(storage._threads.search(read))
    await asyncio.to_thread(entered.wait, 10)
    commits = len(watched.lengths)
    await watched.write(5 * COPIED_PAGES)
    assert watched.checkpointer.pages > 4 * COPIED_PAGES
    assert not watched.checkpointer.may_search.is_set()
    assert len(watched.copies) <= 6 < len(watched.lengths) - commits
    opened.set()
    await reading
    await watched.write(COPIED_PAGES + 1_000)
    assert watched.checkpointer.pages < LONG_PAGES
    assert watched.checkpointer.may_search.is_set()


async def test_closing_waits_for_a_copy_under_way(storage, new_event) -> None:
    watched = Watched(storage, new_event)
    begun = threading.Event()
    copy = watched.checkpointer.copy
    watched.checkpointer.copy = lambda other: (begun.set(), copy(other))
    while not begun.is_set():
        await storage.accept([new_event(body=b"x" * 20_000) for _ in range(50)], None)
    await storage.close()
    assert not watched.checkpointer._under_way.is_set()


async def test_a_short_read_does_not_leave_the_copying_to_the_writer(storage, new_event) -> None:
    """Given a reader who began just before the log is copied: a few pages are missing then."""
    watched = Watched(storage, new_event)
    entered, opened = threading.Event(), threading.Event()
    copy = watched.checkpointer.copy

    def read(db) -> None:
        db.row("figures")
        entered.set()
        assert opened.wait(30)

    def copied(other) -> None:
        copy(other)
        opened.set()

    watched.checkpointer.copy = copied
    while watched.checkpointer.pages < COPIED_PAGES - 250:
        await watched.write(120)
    reading = asyncio.ensure_future(storage._threads.search(read))
    await asyncio.to_thread(entered.wait, 10)
    while not opened.is_set():
        await watched.write(120)
    await reading
    await watched.write(3 * COPIED_PAGES)
    assert all(left <= REST_PAGES for _, left in watched.copies), watched.copies
    assert max(watched.lengths) < LONG_PAGES
    assert watched.starts >= 2


LOSE = """
import asyncio, os, sys
from winnerr_webhooks import config, storage_opener
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.event import NewEvent
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.log_setup import set_up_logs

def fail(_file):
    raise OSError(5, "Input/output error")

async def main():
    set_up_logs()
    url = {"WINNERR_WEBHOOKS_DATABASE_URL": f"sqlite:///{sys.argv[1]}"}
    storage = await storage_opener.open_storage(config.load(url), exclusive=True)
    ids = Ids(SystemClock())
    os.fsync = fail
    while True:
        new = [NewEvent(id=ids.new("evt"), organization="o", name="n", body=b"x" * 20_000)]
        await storage.accept(new, None)
        print(new[0].id, flush=True)

asyncio.run(main())
"""


def test_a_disk_that_loses_what_was_copied_ends_the_process_and_nothing_is_lost(tmp_path) -> None:
    """A second sync would say that all is well, and the log would be started over."""
    path = tmp_path / "events.db"
    run = subprocess.run(
        [sys.executable, "-c", LOSE, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == os.EX_IOERR
    assert "the disk did not keep" in json.loads(run.stderr.splitlines()[-1])["event"]
    accepted = run.stdout.split()
    assert len(accepted) > COPIED_PAGES // 10
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {id_ for (id_,) in file.execute("SELECT id FROM event")}
    assert set(accepted) <= stored

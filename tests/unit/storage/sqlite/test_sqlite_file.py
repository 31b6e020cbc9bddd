"""The database file: who may open it, and what is said when it cannot be used."""

import asyncio
import os
import pwd
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import apsw
import pytest
from tests import program

from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError
from winnerr_webhooks.storage.sqlite import sqlite_file
from winnerr_webhooks.storage.sqlite.sqlite_statements import migrations
from winnerr_webhooks.storage.values import ApiKey


def _pragma(path, name: str) -> int:
    connection = apsw.Connection(str(path))
    try:
        return int(connection.pragma(name))
    finally:
        connection.close()


async def test_only_its_owner_may_read_the_database(open_storage, path, new_event) -> None:
    storage = await open_storage()
    await storage.accept([new_event()], None)
    for file in (path, path.with_name(path.name + "-wal")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_second_server_on_a_file_learns_which_process_has_it(open_storage) -> None:
    first = await open_storage()
    with pytest.raises(CannotStart, match="Another server"):
        await open_storage()
    await first.close()
    await open_storage()


async def test_a_second_server_is_found_by_another_name_of_the_file_too(
    open_storage, path, new_event
) -> None:
    await open_storage()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with pytest.raises(CannotStart, match="Another server"):
        await open_storage(path=link)
    assert not path.with_name("link.db.lock").exists()


async def test_a_file_with_two_names_is_refused(open_storage, path) -> None:
    """SQLite's log and the lock go by the file's name: each name would have its own."""
    storage = await open_storage()
    await storage.close()
    other = path.with_name("other.db")
    other.hardlink_to(path)
    with pytest.raises(ConfigurationError, match="hard links"):
        await open_storage(path=other)
    with pytest.raises(ConfigurationError, match="hard links"):
        await open_storage(exclusive=False)
    other.unlink()
    await open_storage()


async def test_the_lock_file_is_its_owners_alone(open_storage, path) -> None:
    await open_storage()
    assert stat.S_IMODE(path.with_name(path.name + ".lock").stat().st_mode) == 0o600


async def test_other_commands_work_beside_a_server(open_storage) -> None:
    server = await open_storage()
    beside = await open_storage(exclusive=False)
    key = ApiKey(id="key_1", name="CI", organization=None, created_at=1, revoked_at=None)
    await beside.create_key(key, b"1" * 32)
    assert await server.key_by_hash(b"1" * 32) == key


async def test_another_process_writes_beside_a_server_that_writes(
    open_storage, path, new_event
) -> None:
    server = await open_storage()
    script = f"""
        import asyncio
        from winnerr_webhooks.clock import SystemClock
        from winnerr_webhooks.config import EncryptionKey
        from winnerr_webhooks.crypto import Keyring
        from winnerr_webhooks.storage.values import ApiKey
        from winnerr_webhooks.storage.sqlite import SqliteStorage

        async def main():
            storage = await SqliteStorage.open(
                {str(path)!r}, clock=SystemClock(), exclusive=False,
                keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
            )
            for number in range(20):
                key = ApiKey(id=f"key_{{number}}", name="CI", organization=None,
                             created_at=number, revoked_at=None)
                await storage.create_key(key, bytes([number]) * 32)
            await storage.close()

        asyncio.run(main())
    """
    process = await program.start(
        sys.executable, "-c", textwrap.dedent(script), stderr=program.PIPE
    )
    ending = asyncio.create_task(process.communicate())
    accepted = 0
    while not ending.done():
        accepted += len(await server.accept([new_event() for _ in range(16)], None))
    _, errors = await ending
    assert process.returncode == 0, errors.decode()
    assert len(await server.keys()) == 20
    assert accepted > 0


async def test_commands_that_start_together_on_a_new_file_all_work(open_storage) -> None:
    storages = await asyncio.gather(*(open_storage(exclusive=False) for _ in range(6)))
    assert [await storage.keys() for storage in storages] == [[]] * 6


async def test_a_new_file_that_another_command_is_making_is_waited_for(open_storage, path) -> None:
    """SQLite itself would not wait here, whatever its busy timeout."""
    file = apsw.Connection(str(path))
    file.execute("BEGIN IMMEDIATE")
    opening = asyncio.create_task(open_storage(exclusive=False))
    await asyncio.wait({opening}, timeout=0.3)
    assert not opening.done()
    file.execute("ROLLBACK")
    file.close()
    assert await (await opening).keys() == []


async def test_a_database_opens_again_as_it_was(open_storage, path, new_webhook) -> None:
    storage = await open_storage()
    made = await storage.create_webhook(new_webhook(), 500)
    await storage.close()
    again = await open_storage()
    assert await again.webhooks("org_1") == [made]
    assert _pragma(path, "user_version") == len(migrations())


async def test_a_restored_backup_is_written_through_a_log_again(
    open_storage, path, tmp_path, new_webhook
) -> None:
    """`VACUUM INTO` makes a file without one: readers and writers would wait for each other."""
    storage = await open_storage()
    made = await storage.create_webhook(new_webhook(), 10)
    restored = tmp_path / "restored.db"
    file = sqlite3.connect(path)
    file.execute("VACUUM INTO ?", (str(restored),))
    file.close()
    again = await open_storage(path=restored)
    assert await again._threads.read(lambda db: db.apsw.pragma("journal_mode")) == "wal"
    (webhook,) = await again.webhooks(made.organization)
    assert webhook.id == made.id


async def test_every_connection_has_its_settings(storage) -> None:
    wanted = {
        "synchronous": 2, "temp_store": 2, "journal_size_limit": 64 << 20, "mmap_size": 0,
        "secure_delete": 2,
    }  # fmt: skip

    def settings(db) -> dict[str, int]:
        return {name: db.apsw.pragma(name) for name in wanted}

    for ask in (storage._threads.write, storage._threads.read, storage._threads.read_for_road):
        assert await ask(settings) == wanted


async def test_a_database_of_a_newer_version_is_refused(open_storage, path) -> None:
    await (await open_storage()).close()
    file = sqlite3.connect(path)
    file.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
    file.close()
    with pytest.raises(ConfigurationError, match="newer version"):
        await open_storage()


async def test_another_programs_database_is_refused_untouched(open_storage, path) -> None:
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE theirs (a)")
    file.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="another program"):
        await open_storage()
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(open_storage, path) -> None:
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(ConfigurationError, match="damaged"):
        await open_storage()
    with pytest.raises(ConfigurationError):
        sqlite_file.has_secrets(str(path))


async def test_a_folder_that_does_not_exist_is_refused(open_storage, tmp_path) -> None:
    for exclusive in (True, False):
        with pytest.raises(ConfigurationError, match="missing"):
            await open_storage(path=tmp_path / "missing" / "a.db", exclusive=exclusive)


# --- secrets --------------------------------------------------------------------------------------


async def test_secrets_are_sealed_and_gone_from_the_file_when_deleted(
    open_storage, path, new_webhook
) -> None:
    storage = await open_storage()
    assert not sqlite_file.has_secrets(str(path.with_name("none.db")))
    assert not sqlite_file.has_secrets(str(path))
    webhook = await storage.create_webhook(new_webhook(secret="plainly visible"), 500)
    assert sqlite_file.has_secrets(str(path))
    file = sqlite3.connect(path)
    (sealed,) = file.execute("SELECT secret FROM webhook").fetchone()
    await storage.delete_webhook("org_1", webhook.id)
    assert not sqlite_file.has_secrets(str(path))
    file.close()
    await storage.close()
    content = path.read_bytes()
    assert b"plainly visible" not in content
    assert sealed not in content


async def test_a_server_does_not_start_with_secrets_no_key_opens(open_storage, new_webhook) -> None:
    storage = await open_storage()
    await storage.create_webhook(new_webhook(secret="a secret of ours"), 500)
    await storage.close()
    other = Keyring((EncryptionKey("k2", bytes(32)),))
    with pytest.raises(ConfigurationError, match="k1"):
        await open_storage(keyring=other)
    beside = await open_storage(keyring=other, exclusive=False)
    assert await beside.keys() == []
    both = Keyring((EncryptionKey("k2", bytes(32)), EncryptionKey("k1", bytes(32))))
    assert await open_storage(keyring=both) is not None


OPEN_AS_NOBODY = """
import asyncio, os, sys, tempfile
from winnerr_webhooks import config, storage_opener
async def open_and_close(path):
    settings = config.load({"WINNERR_WEBHOOKS_DATABASE_URL": f"sqlite:///{path}"})
    storage = await storage_opener.open_storage(settings, exclusive=True)
    await storage.close()
with tempfile.TemporaryDirectory() as folder:  # loads what the other user may not read
    asyncio.run(open_and_close(folder + "/test.db"))
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    asyncio.run(open_and_close(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of root")
@pytest.mark.parametrize("suffix", ["", ".keys", ".lock", "-wal"])
def test_a_file_that_root_made_is_named_with_its_owner_and_the_remedy(suffix, open_paths) -> None:
    path, nobody = open_paths
    made = path.with_name(path.name + suffix)
    made.touch(mode=0o600)
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AS_NOBODY, path],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("ConfigurationError ")
    assert (
        f"{made} belongs to root, and this program runs as {nobody}: chown 65534 {made}"
        in done.stdout
    )


@pytest.fixture
def open_paths():
    """A database's path where everybody may make files (not so below `tmp_path`), and a user."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / "test.db", pwd.getpwuid(65534).pw_name

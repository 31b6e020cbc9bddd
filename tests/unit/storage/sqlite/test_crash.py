"""What is answered is on disk: a killed process, and a disk that is full."""

import asyncio
import sqlite3
import sys
import textwrap

import pytest
from tests import program

from winnerr_webhooks.storage.road_values import Claim

COMMON = """
    import asyncio, signal, sys
    from winnerr_webhooks.clock import SystemClock
    from winnerr_webhooks.config import EncryptionKey
    from winnerr_webhooks.crypto import Keyring
    from winnerr_webhooks.domain.errors import Unavailable
    from winnerr_webhooks.domain.event import NewEvent
    from winnerr_webhooks.ids import Ids
    from winnerr_webhooks.storage.values import NewWebhook
    from winnerr_webhooks.storage.road_values import LeaseTerms
    from winnerr_webhooks.storage.sqlite import SqliteStorage

    clock = SystemClock()
    ids = Ids(clock)

    def event(body=b"{}"):
        return NewEvent(id=ids.new("evt"), organization="org_1", name="contact.created", body=body)

    async def opened():
        storage = await SqliteStorage.open(
            sys.argv[1], clock=clock, keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
            exclusive=True,
        )
        await storage.create_webhook(
            NewWebhook(id=ids.new("wh"), organization="org_1", url="https://example.com/",
                       description=None, events=("*",), secret=None), 500)
        return storage
"""


async def _start(path, script: str) -> program.Process:
    return await program.start(
        sys.executable,
        "-c",
        textwrap.dedent(COMMON) + textwrap.dedent(script),
        str(path),
        stdout=program.PIPE,
    )


@pytest.mark.parametrize("lines", [3, 40, 150])
async def test_what_was_answered_survives_a_kill(path, open_storage, lines) -> None:
    """Every event reported accepted is in the file with its delivery, and the file is sound."""
    process = await _start(
        path,
        """
        async def main():
            storage = await opened()

            async def emit():
                while True:
                    answers = await storage.accept([event(b"x" * 900)], LeaseTerms(seconds=60))
                    print(answers[0].id, flush=True)

            await asyncio.gather(*(emit() for _ in range(4)))

        asyncio.run(main())
        """,
    )
    reported = []
    while len(reported) < lines:
        reported.append((await process.stdout.readline()).decode().strip())
    process.kill()
    rest = (await process.stdout.read()).decode()
    await process.wait()
    reported += rest.split("\n")[:-1]

    file = sqlite3.connect(path)
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
    storage = await open_storage()
    for id_ in reported:
        kept = await storage.event("org_1", id_)
        assert [one.status for one in kept.deliveries] == ["pending"]
    freed = await storage.recover()
    assert freed >= len(reported)
    page = await storage.due_lanes(None, 10_000)
    limits = {lane.webhook_id: 10_000 for lane in page.lanes}
    claimed = await storage.claim(Claim(lease_seconds=60, limits=limits, max_bytes=1 << 30))
    assert set(reported) <= {one.event_id for one in claimed.deliveries}


async def test_a_full_disk_refuses_and_nothing_was_accepted(path, open_storage) -> None:
    """`accept` and `check` say so, and what was accepted before is still there."""
    process = await _start(
        path,
        """
        import resource

        async def main():
            storage = await opened()
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
            while True:
                one = event(b"x" * 50_000)
                try:
                    await storage.accept([one], None)
                except Unavailable as error:
                    assert error.retry_after > 0
                    print("refused", one.id, error, flush=True)
                    break
                print("accepted", one.id, flush=True)
            assert await storage.event("org_1", one.id) is None
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            try:
                await storage.check()
            except Unavailable as error:
                print("check", error, flush=True)
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await storage.accept([event()], None)
            print("again", flush=True)
            await storage.close()

        asyncio.run(main())
        """,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    lines = [line.split() for line in out.decode().splitlines()]
    accepted = [line[1] for line in lines if line[0] == "accepted"]
    (refused,) = [line[1] for line in lines if line[0] == "refused"]
    assert accepted
    said = [line[0] for line in lines]
    assert [word for word in said if word in ("check", "again")] == ["check", "again"]
    storage = await open_storage()
    assert await storage.event("org_1", refused) is None
    for id_ in accepted:
        assert await storage.event("org_1", id_) is not None

"""A real standby server for tests: it follows a `PostgresServer` by streaming replication.

After `wait_for_standby`, commits on the primary wait for it. `promote` makes it a primary.
(PostgreSQL's manual, chapter "High Availability, Load Balancing, and Replication".)
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

from tests import postgres


def standby_of(primary: postgres.PostgresServer) -> postgres.PostgresServer:
    """Copy a running primary, and start the copy as its standby. This blocks."""
    folder = Path(tempfile.mkdtemp(prefix="winnerr-postgres-"))
    try:
        folder.chmod(0o755)
        (folder / "users").touch()
        standby = postgres.PostgresServer(
            folder, primary.binaries, postgres.free_port(), primary.password
        )
        standby.data.mkdir(mode=0o700)
        if primary.identity:
            shutil.chown(standby.data, *primary.identity)
        source = primary.url("postgres", user=postgres.ADMIN)
        words = ["--checkpoint=fast", "--no-sync", "--write-recovery-conf"]
        words += [f"--dbname={source}", f"--pgdata={standby.data}"]
        primary.binaries.run("pg_basebackup", *words, cwd=folder)
        standby.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return standby


async def wait_for_standby(primary: postgres.PostgresServer) -> None:
    """Make commits on the primary wait for its standby from now on."""
    async with primary.admin() as admin:
        await admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await admin.execute("SELECT pg_reload_conf()")
        sql = "SELECT sync_state FROM pg_stat_replication"
        async with asyncio.timeout(postgres.START_SECONDS):
            while await admin.fetchval(sql) != "sync":
                await asyncio.sleep(0.02)


async def promote(standby: postgres.PostgresServer) -> None:
    """Make a standby a primary, and wait until it takes writes."""
    async with standby.admin() as admin:
        assert await admin.fetchval("SELECT pg_promote(true, 60)")

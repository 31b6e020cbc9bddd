"""The plans of the hot statements on PostgreSQL at a million rows, written to docs/performance.

Usage: python -m bench.explain [--rows N] [--out FILE]. The statements are not copied here: the
storage's own verbs run with `auto_explain` in their sessions, so what is shown is the plan that
was used, by the settings that are used.
"""

import argparse
import asyncio
import re
import tempfile
import time
from base64 import b64encode
from pathlib import Path

import asyncpg

from bench.parts.seed import BATCH, Seeder
from bench.postgres import Postgres
from bench.processes import free_port
from winnerr_webhooks import config, storage_opener
from winnerr_webhooks.storage.postgres.connection_opener import ConnectionOpener
from winnerr_webhooks.storage.postgres.postgres_session import statements
from winnerr_webhooks.storage.road_values import Claim, LeaseTerms
from winnerr_webhooks.storage.values import LogFilter

OUT = Path(__file__).parents[1] / "docs" / "performance" / "explain.md"
SHOWN = (
    ("accept", "Accept: 64 events, their fan-out and rows"),
    ("settle_delivered", "Settle: 64 successes"),
    ("due_lanes", "Look: which lanes are due"),
    ("lock_lanes", "Claim: its lanes are locked"),
    ("due_pending", "Claim: what of them"),
    ("lease", "Claim: leases and bodies"),
    ("advance_lanes", "Claim: the lanes go on"),
    ("lower_lanes", "A lane is lowered"),
    ("walk_organization", "Log: the next attempts of an organization"),
    ("attempt_page", "Log: one page"),
)
METHOD = """`EXPLAIN (ANALYZE, BUFFERS)` of the hot statements, taken by `auto_explain` while the
storage's own verbs ran: PostgreSQL %s, %s pending deliveries of one webhook and %s attempts in the
log, batches of 64. Made by `python -m bench.explain`."""
AUTO_EXPLAIN = (
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_buffers = on",
    "auto_explain.log_parameter_max_length = 0",
    "client_min_messages = 'log'",
)


class Plans:
    """The last plan of each statement, by its text."""

    def __init__(self):
        self.found = {}

    def listen(self):
        opened = ConnectionOpener.open

        async def open_(opener):
            connection = await opened(opener)
            connection.add_log_listener(self._hear)
            return connection

        ConnectionOpener.open = open_

    def _hear(self, _connection, message):
        match = re.match(r"duration: .*?plan:\nQuery Text: (.*)", message.message, re.DOTALL)
        if match:
            text, _, plan = match[1].partition("\n" if "\n" not in match[1] else "\x00")
            self.found[match[1]] = text + plan

    def of(self, statement):
        """A statement's plan; None when it did not run."""
        for text in reversed(self.found.values()):
            if text.startswith(statement):
                return text.removeprefix(statement).strip("\n")
        return None


async def run(url, rows):
    settings = {
        "WINNERR_WEBHOOKS_DATABASE_URL": url,
        "WINNERR_WEBHOOKS_ENCRYPTION_KEYS": f"k1:{b64encode(bytes(32)).decode()}",
    }
    storage = await storage_opener.open_storage(config.load(settings), exclusive=False)
    seeder = Seeder(storage)
    await seeder.webhooks([[0, "http://127.0.0.1:9/a"]])
    await seeder.attempts(1, rows)
    await seeder.pending(0, rows, BATCH)
    await storage.close()
    server = await asyncpg.connect(url)
    name = url.rpartition("/")[2]
    for setting in AUTO_EXPLAIN:
        await server.execute(f'ALTER DATABASE "{name}" SET {setting}')
    await server.close()
    plans = Plans()
    plans.listen()
    storage = await storage_opener.open_storage(config.load(settings), exclusive=False)
    seeder = Seeder(storage)
    try:
        for _ in range(3):
            await storage.accept([seeder.event(0)], None)
            accepted = await storage.accept(
                [seeder.event(0) for _ in range(64)], LeaseTerms(seconds=60)
            )
            leased = [one for answer in accepted for one in answer.leased]
            await storage.settle([seeder.delivered(one) for one in leased])
            page = await storage.due_lanes(None, 1_000)
            limits = {lane.webhook_id: 64 for lane in page.lanes}
            claimed = await storage.claim(Claim(lease_seconds=60, limits=limits, max_bytes=1 << 26))
            await storage.log(LogFilter(organization="org_000000", limit=50))
            await storage.settle([seeder.delivered(one) for one in claimed.deliveries])
    finally:
        await storage.close()
    return plans


def page(plans, rows, version):
    parts = [
        "# Plans on PostgreSQL",
        "",
        METHOD % (version, f"{rows:,}", f"{rows:,}"),
        "",
    ]
    sequential = []
    for name, title in SHOWN:
        plan = plans.of(statements()[name].text)
        if plan is None:
            raise SystemExit(f"{name} did not run.")
        if "Seq Scan" in plan:
            sequential.append(name)
        parts += [f"## {title} (`{name}`)", "", "```", plan, "```", ""]
    none = f"In these statements: {', '.join(sequential)}." if sequential else "None in any."
    parts.insert(4, f"Sequential scans: {none}\n")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if missing := Postgres.missing():
        raise SystemExit(missing)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder), free_port()) as server:
        plans = asyncio.run(run(server.new_database(), options.rows))
        options.out.write_text(page(plans, options.rows, server.version()))
    print(f"{options.out.name} written in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()

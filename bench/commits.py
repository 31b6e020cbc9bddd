"""How many commits an event costs PostgreSQL, as `pg_stat_statements` counts them.

Usage: python -m bench.commits [--seconds N] [--out FILE]. A statement outside a transaction is a
commit of its own; inside one, the `COMMIT` is.
"""

import argparse
import tempfile
from pathlib import Path

from bench.postgres import Postgres
from bench.processes import Receiver, Service, free_port
from bench.stage import burst

OUT = Path(__file__).parents[1] / "docs" / "performance" / "commits.md"
EXTENSION = ("shared_preload_libraries=pg_stat_statements", "pg_stat_statements.max=1000")
SHAPES = (
    ("one client, one event a request", 1, {}),
    ("64 clients, one event a request", 64, {}),
    ("64 clients, 100 events a request", 64, {"batch": 100, "path": "/api/v1/events/batch"}),
)
MARKS = {
    "accept": "INSERT INTO idempotency AS known",
    "settle": "DELETE FROM pending USING found",
    "COMMIT": "COMMIT",
    "lanes": "INSERT INTO lane AS known",
    "next lane": "FROM lane WHERE NOT",
    "changes": "FROM webhook WHERE $1::bigint >",
}
"""What only this statement has in its text."""
WRITES = ("accept", "settle", "COMMIT", "lanes")
LOOKS = ("next lane", "changes")
METHOD = """Commits by event, as `pg_stat_statements` of PostgreSQL %s counts calls: `accept` and
`settle` are one statement and one commit each; the others are transactions of several (`COMMIT`:
claims, the long way of settling, jobs), a lane's lowering (which waits for no disk), and looks that
write nothing. Made by `python -m bench.commits`.

| Load | Events | accept | settle | COMMIT | lanes | all that write, an event | looks, an event |
|---|---:|---:|---:|---:|---:|---:|---:|
"""


def main() -> None:
    orders = argparse.ArgumentParser()
    orders.add_argument("--seconds", type=float, default=5.0)
    orders.add_argument("--out", type=Path, default=OUT)
    given = orders.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            Receiver(folder) as receiver,
            Postgres(folder, free_port(), EXTENSION) as server,
            Service(folder, postgres=server) as service,
        ):
            service.webhooks([(0, f"http://127.0.0.1:{receiver.port}/hook")])
            service.extend("pg_stat_statements")
            rows = [_row(service, receiver, shape, given.seconds) for shape in SHAPES]
            text = METHOD % server.version() + "".join(rows)
    given.out.write_text(text, encoding="utf-8")
    print(text)


def _row(service: Service, receiver: Receiver, shape: tuple, seconds: float) -> str:
    what, clients, more = shape
    burst(service, receiver, clients, 1.0, **more)  # warm up: windows open, plans made
    before = _counts(service)
    events = burst(service, receiver, clients, seconds, **more)["events"]
    now = _counts(service)
    calls = {name: now[name] - before[name] for name in now}
    writes = sum(calls[name] for name in WRITES)
    looks = sum(calls[name] for name in LOOKS)
    shown = [f"{calls[name]:,}" for name in WRITES]
    return (
        f"| {what} | {events:,} | {' | '.join(shown)} | {writes / events:.3f} "
        f"| {looks / events:.3f} |\n"
    )


def _counts(service: Service) -> dict[str, int]:
    return {
        name: service.ask_database(
            "SELECT coalesce(sum(calls), 0)::bigint FROM public.pg_stat_statements "
            f"WHERE strpos(query, '{mark}') > 0 AND strpos(query, 'strpos') = 0"
        )
        for name, mark in MARKS.items()
    }


if __name__ == "__main__":
    main()

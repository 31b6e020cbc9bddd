"""fairness: what one organization notices of what others do to the service.

A victim posts 100 single events a second, open loop, with a key, a webhook and a receiver of its
own. Beside it, one attack a round: unknown keys, readers of the log page, stalled bodies, deleted
webhooks, a backlog, a provider that answers 429, too few file descriptors, batches with a huge
fan-out, many leases. Each round has a service and a database of its own, and ends with SIGTERM
while the attack goes on. On SQLite, then on PostgreSQL. `bench/attacks.py` says what each does.
"""

from bench.attacks import ATTACKS, Attack, turn
from bench.child import BenchError
from bench.postgres import Postgres
from bench.stage import Cell, Outcome, Stage, Table
from bench.svg import Bar, bars

SHORT = ("quiet", "deleted_webhooks", "batches")
"""The rounds that PostgreSQL has in a quick run."""
COLUMNS = ["beside the victim", "accept p50 ms", "to quiet", "accept p99 ms", "refused",
           "delivered p50 ms", "delivered p99 ms", "late", "failed", "/readyz max ms",
           "SIGTERM s"]  # fmt: skip
LABELS = {attack.name: attack.what for attack in ATTACKS}


def run(stage: Stage) -> Outcome:
    rounds = {"SQLite": _rounds(stage, "SQLite", ATTACKS, None)}
    notes: list[str] = []
    server = _postgres(stage, notes)
    if server is not None:
        quick = stage.scale.name == "quick"
        attacks = [one for one in ATTACKS if not quick or one.name in SHORT]
        rounds["PostgreSQL"] = _rounds(stage, "PostgreSQL", attacks, server)
    return _outcome(rounds, notes)


def _postgres(stage: Stage, notes: list[str]) -> Postgres | None:
    missing = Postgres.missing()
    if missing is None:
        try:
            return stage.postgres()
        except BenchError as error:
            missing = f"PostgreSQL is not measured: {error}"
    notes.append(missing)
    return None


def _rounds(
    stage: Stage, database: str, attacks: list[Attack], server: Postgres | None
) -> list[dict]:
    found = []
    for attack in attacks:
        found.append(turn(stage, attack, server))
        stage.say(f"{database}: {attack.what}")
    return found


def _outcome(rounds: dict[str, list[dict]], notes: list[str]) -> Outcome:
    tables, figures, others, plotted = [], {}, [], []
    for group, (database, found) in enumerate(rounds.items()):
        done = [one for one in found if "failed" not in one]
        tables.append(Table(f"What the victim sees, on {database}", COLUMNS,
                            [_row(one, _quiet(done)) for one in done]))  # fmt: skip
        figures |= _figures(database.lower(), found, done)
        others += [[database, LABELS[one["attack"]], *told] for one in done for told in _told(one)]
        notes += [f"{database}, {LABELS[one['attack']]}: {one['failed']}."
                  for one in found if "failed" in one]  # fmt: skip
        plotted += [
            Bar(f"{database}, {one['attack'].replace('_', ' ')}", one["single"]["ms"]["p99"], group)
            for one in done
        ]
    notes = [
        (
            "Refused: answered with anything but 202, or not within 10 s, which then counts as the "
            "time. Late: accepted, and not at the receiver 5 s after the last post. Failed: the "
            "victim's attempts, and attempts of anybody that failed before a receiver was asked."
        ),
        *notes,
    ]
    tables.append(Table("What else they show", ["", "beside the victim", "what", "found"], others))
    plot = bars("Accept p99 of the victim", plotted, "milliseconds", log=True)
    listed = [one | {"database": name} for name, found in rounds.items() for one in found]
    return Outcome(tables, figures, listed, notes, {"fairness.svg": plot})


def _quiet(done: list[dict]) -> float | None:
    """The victim's accept p50 without an attack, in ms."""
    return next((one["single"]["ms"]["p50"] for one in done if one["attack"] == "quiet"), None)


def _row(one: dict, quiet: float | None) -> list[Cell]:
    accept, delivered = one["single"]["ms"], one["delivered_ms"]
    return [
        LABELS[one["attack"]], accept["p50"], accept["p50"] / quiet if quiet else None,
        accept["p99"], _refused(one), delivered.get("p50"), delivered.get("p99"),
        one["undelivered"], _failed(one), one["readyz"]["ms"]["max"],
        f"killed after {one['stop_s']:.0f}" if one["killed"] else one["stop_s"],
    ]  # fmt: skip


def _refused(one: dict) -> int:
    """Posts of the victim that were not answered with 202, and refused events of a batch."""
    streams = [one[name] for name in ("single", "batch") if name in one]
    return sum(stream["errors"] for stream in streams) + sum(
        count
        for stream in streams
        for status, count in stream["statuses"].items()
        if status != "202"
    )


def _failed(one: dict) -> int:
    """Attempts that failed and must not have: all receivers could be reached."""
    return max(one["failed_attempts"], one["own_lack"])


def _figures(database: str, found: list[dict], done: list[dict]) -> dict[str, float]:
    """The worst of all rounds, by what the targets ask; and the times of each."""
    figures: dict[str, float] = {"rounds_failed": len(found) - len(done)}
    for one in done:
        for rank in ("p50", "p99"):
            figures[f"{one['attack']}_{rank}_ms"] = one["single"]["ms"][rank]
    attacked = [one for one in done if one["attack"] != "quiet"]
    if attacked:
        figures["p99_ms"] = max(one["single"]["ms"]["p99"] for one in attacked)
        figures["refused"] = sum(map(_refused, attacked))
        figures["failed_attempts"] = sum(map(_failed, done))
        figures["stop_s"] = max(one["stop_s"] for one in done)
        if quiet := _quiet(done):
            figures["p50_ratio"] = max(one["single"]["ms"]["p50"] for one in attacked) / quiet
    for one in done:
        if one["attack"] == "batches":
            attacker = one["attacker"]
            figures["batches_lost"] = attacker["begun"] - attacker["accepted"] + attacker["errors"]
        if one["attack"] == "short_bodies":
            figures["bodies_mib"] = one["memory_mib"] - one["at_rest_mib"]
    return {f"{database}_{name}": value for name, value in figures.items()}


def _told(one: dict) -> list[tuple[str, str]]:
    """What only this round can tell: (what, found)."""
    attacker = one["attacker"]
    said: list[tuple[str, str]] = []
    if "page" in one:
        page = one["page"]["ms"]
        said.append(("its own log page, ms", f"p50 {page['p50']:.0f}, max {page['max']:.0f}"))
    if "batch" in one:
        statuses = one["batch"]["statuses"]
        said.append(("its batches of 100", _counts(statuses)))
    for name, statuses in attacker.get("statuses", {}).items():
        times = attacker["ms"][name]
        text = f"{_counts(statuses)}; p50 {times['p50']:.1f} ms, max {times['max']:.0f}"
        said.append((f"the attacker's: {name}", text))
    if attacker.get("begun"):
        said.append(("batches begun, accepted", f"{attacker['begun']}, {attacker['accepted']}"))
    if attacker.get("held") or attacker.get("turned_away"):
        held = f"{attacker['held']}, {attacker['turned_away']}"
        said.append(("connections held, turned away", held))
        growth = one["memory_mib"] - one["at_rest_mib"]
        said.append(("memory beyond that at rest, MiB", f"{growth:.0f}"))
    if one["leases"] is not None:
        said.append(("leases held at SIGTERM", f"{one['leases']:,}"))
    unanswered = {
        status: count for status, count in one["healthz"]["statuses"].items() if status != "200"
    }
    if unanswered:
        said.append(("/healthz not answered with 200", _counts(unanswered)))
    return said


def _counts(statuses: dict[str, int]) -> str:
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))

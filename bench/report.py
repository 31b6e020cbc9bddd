"""Results as text: tables on the terminal, JSON and a page for docs/performance/."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.stage import Cell, Outcome, Table
from bench.svg import number
from bench.targets import Judgement, judged

OTHERS = 0.05
"""Share of CPU time from which on what others did puts a run in doubt."""
STOLEN = 0.01
HEADER = """# Results

Written by `make bench`; what is measured how, and how to repeat it, is in [README.md](README.md).
Ratios within one run travel to other machines, absolute figures do not.
"""


def cell(value: Cell) -> str:
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else number(value)


def text_table(table: Table) -> str:
    """For a terminal: columns aligned, numbers to the right."""
    rows = [list(table.columns), *[[cell(value) for value in row] for row in table.rows]]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    left = [all(isinstance(row[at], str) for row in table.rows) for at in range(len(widths))]
    lines = [
        "  ".join(
            one.ljust(width) if is_left else one.rjust(width)
            for one, width, is_left in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, *(f"  {line}" for line in lines)])


def page_table(table: Table) -> str:
    """For a page: Markdown."""
    left = [all(isinstance(row[at], str) for row in table.rows) for at in range(len(table.columns))]
    lines = [
        f"| {' | '.join(table.columns)} |",
        f"|{'|'.join('---' if is_left else '---:' for is_left in left)}|",
        *[f"| {' | '.join(cell(value) for value in row)} |" for row in table.rows],
    ]
    return "\n".join(lines)


def machine_line(facts: Mapping[str, object]) -> str:
    """What it was taken on, in a line."""
    fsync, postgresql = facts["fsync_ms"], facts.get("postgresql")
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB; Linux "
        f"{facts['kernel']}, Python {facts['python']}, SQLite {facts['sqlite']}"
        f"{f', PostgreSQL {postgresql}' if postgresql else ''}; {facts['file_system']}, an fsync "
        f"of 4 KiB p50 {fsync['p50']:.2f} ms, p99 {fsync['p99']:.2f} ms; CPU time of others: "
        f"processes {facts['others']:.1%}, guests of the host {facts['steal']:.1%}"
    )


def doubts(facts: Mapping[str, object]) -> list[str]:
    """Why the figures of a run should not be relied on."""
    found = []
    if float(facts["others"]) > OTHERS:
        found.append(f"other processes took {facts['others']:.1%} of the machine's CPU time")
    if float(facts["steal"]) > STOLEN:
        found.append(f"other guests of its host took {facts['steal']:.1%} of the CPU time")
    return found


def as_json(name: str, scale: str, facts: Mapping[str, object], outcome: Outcome) -> str:
    """One bench's results, rounded to six significant digits."""
    result = {
        "bench": name,
        "scale": scale,
        "machine": facts,
        "figures": outcome.figures,
        "tables": [vars(table) for table in outcome.tables],
        "notes": outcome.notes,
        "plots": sorted(outcome.plots),
        "rounds": outcome.rounds,
    }
    return json.dumps(_rounded(result), indent=1, ensure_ascii=False) + "\n"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value


def targets_table(results: Mapping[str, Mapping]) -> Table:
    """Every target with its verdict; a verdict from a disturbed run is marked as in doubt."""
    rows = []
    for one in judgements(results):
        verdict: str = one.verdict
        if one.value is not None and doubts(results[one.target.bench]["machine"]):
            verdict += ", in doubt"
        rows.append([one.target.bench, one.target.what, one.aim, one.found, verdict])
    return Table("Targets", ["bench", "what", "target", "found", ""], rows)


def judgements(results: Mapping[str, Mapping]) -> list[Judgement]:
    """Every target, by what these results say; those of `--quick` say nothing."""
    return judged(
        {name: one["figures"] for name, one in results.items() if one["scale"] != "quick"}
    )


def stored(folder: Path, names: Sequence[str]) -> dict[str, dict]:
    """The results that are there, in the order of `names`."""
    files = {name: folder / "results" / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def page(results: Mapping[str, Mapping], sentences: Mapping[str, str]) -> str:
    """results.md: the targets, then every bench with its tables and plots."""
    parts = [HEADER, "## Targets\n", page_table(targets_table(results)) + "\n"]
    for name, result in results.items():
        parts.append(f"## {name}\n\n{sentences[name]}\n")
        tables = [Table(**table) for table in result["tables"]]
        parts += [f"**{table.title}**\n\n{page_table(table)}\n" for table in tables]
        parts += [f"{note}\n" for note in result["notes"]]
        parts += [f"![{plot.removesuffix('.svg')}]({plot})\n" for plot in result["plots"]]
        facts = result["machine"]
        scale = "" if result["scale"] == "normal" else f", scale {result['scale']}"
        parts.append(f"Taken {facts['taken']} (version {facts['version']}{scale}): "
                     f"{machine_line(facts)}.\n")  # fmt: skip
        parts += [f"**In doubt:** {doubt}.\n" for doubt in doubts(facts)]
    return "\n".join(parts)

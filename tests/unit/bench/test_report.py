"""Tables line up, targets are judged by what was measured, and pages hold what results say."""

import json
import math

import pytest
from bench import report
from bench.run import NAMES, _sentences
from bench.stage import Outcome, Table
from bench.targets import TARGETS, Target, judged

FACTS = {
    "taken": "2027-01-15T08:00:00+00:00",
    "version": "0.1.0",
    "cpu": "A CPU",
    "cores": 2,
    "memory_gib": 8.0,
    "kernel": "6.1",
    "python": "3.13.0",
    "sqlite": "3.51.0",
    "postgresql": None,
    "file_system": "ext4",
    "fsync_ms": {"p50": 0.5, "p99": 2.0},
    "others": 0.01,
    "steal": 0.0,
}
TABLE = Table("Rates", ["who", "events/s", "ratio"], [["a", 12_345.6, 1.0], ["bb", 7, None]])


def test_a_table_for_the_terminal_lines_up():
    assert report.text_table(TABLE).splitlines() == [
        "Rates",
        "  who  events/s  ratio",
        "  a      12,300   1.00",
        "  bb          7      —",
    ]


def test_a_table_for_a_page_has_a_cell_for_each_column_in_every_line():
    lines = report.page_table(TABLE).splitlines()
    assert [line.count("|") for line in lines] == [4] * 4
    assert lines[1] == "|---|---:|---:|"


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({"f": 5.0}, "met"),
        ({"f": 5.01}, "not met"),
        ({"f": 0.1}, "met"),
        ({}, "not measured"),
    ],
)
def test_a_limit_is_met_up_to_itself(figures, verdict):
    assert Target("b", "what", "f", 5).judge(figures).verdict == verdict


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [({"f": 0.9}, "met"), ({"f": 0.89}, "not met"), ({"g": 1.0}, "not measured")],
)
def test_an_aim_is_met_from_itself_on(figures, verdict):
    assert Target("b", "what", "f", 0.9, at_least=True).judge(figures).verdict == verdict


def test_a_limit_may_be_a_figure_of_the_same_run():
    target = Target("b", "what", "p50", "allowed", unit="ms")
    assert target.judge({"p50": 4.0, "allowed": 4.5}).verdict == "met"
    assert target.judge({"p50": 5.0, "allowed": 4.5}).verdict == "not met"
    assert target.judge({"p50": 5.0, "allowed": 4.5}).aim == "≤ 4.50 ms"
    assert target.judge({"p50": 5.0}).verdict == "not measured"


def test_every_target_is_of_a_bench_that_is_there():
    assert {target.bench for target in TARGETS} <= set(NAMES)
    assert {one.verdict for one in judged({})} == {"not measured"}


def result(name: str, scale: str, **figures: float) -> dict:
    outcome = Outcome([TABLE], figures, [{"x": math.nan}], ["A note."], {"p.svg": "<svg/>"})
    return json.loads(report.as_json(name, scale, FACTS, outcome))


def test_figures_of_a_quick_run_are_not_judged():
    met = {"p99_ms": 1.0}
    by_scale = {
        scale: [j.verdict for j in report.judgements({"latency": result("latency", scale, **met)})]
        for scale in ("quick", "normal", "full")
    }
    assert "met" not in by_scale["quick"]
    assert by_scale["normal"] == by_scale["full"]
    assert by_scale["normal"].count("met") == 1


def test_results_are_json_that_any_reader_takes():
    assert result("latency", "normal", p50_ms=1.23456789)["figures"] == {"p50_ms": 1.23457}
    assert result("latency", "normal")["rounds"] == [{"x": None}]


def test_the_page_has_the_verdicts_the_tables_the_plots_and_the_machine():
    page = report.page({"latency": result("latency", "normal", p99_ms=30.0)}, _sentences())
    assert "| ≤ 25.0 ms | 30.0 ms | not met |" in page
    assert report.page_table(TABLE) in page
    assert "![p](p.svg)" in page
    assert "A CPU, 2 cores" in page
    assert "A note." in page
    assert "In doubt" not in page


def test_a_disturbed_run_says_so_and_so_do_its_verdicts():
    disturbed = result("latency", "normal", p99_ms=1.0)
    disturbed["machine"] |= {"others": 0.2, "steal": 0.05}
    assert len(report.doubts(disturbed["machine"])) == 2
    verdicts = [row[-1] for row in report.targets_table({"latency": disturbed}).rows]
    assert verdicts.count("met, in doubt") == 1
    assert set(verdicts) == {"met, in doubt", "not measured"}
    assert report.doubts(FACTS) == []


def test_every_bench_says_in_a_sentence_what_it_measures():
    assert all(sentence.endswith(".") for sentence in _sentences().values())

"""The victim outlives what it measures, the attacker keeps its word, and the worst round counts."""

import signal
from pathlib import Path

import pytest
from bench.attacks import ATTACKS
from bench.benches import fairness
from bench.child import until
from bench.processes import Part, Receiver, free_port

STREAM = {"name": "single", "key": "k", "organization": "org_1", "rate": 100, "batch": 1}
ATTACK = {"key": "k", "organization": "org_0", "clients": 2, "events": 10}


def victim(folder: Path, port: int) -> dict:
    probe = {"name": "probe", "path": "/"}
    orders = {"port": port, "seconds": 0.1, "streams": [STREAM], "probes": [probe]}
    with Part("victim.py", orders, folder) as part:
        until(lambda: part.ended, "the victim")
        return part.answer()


def test_the_victim_counts_every_post_and_stamps_its_events(tmp_path):
    with Receiver(tmp_path) as receiver:
        told = victim(tmp_path, receiver.port)
        delays = receiver.ask("/report")["delays_ms"]
    assert told["single"]["statuses"] == {"200": 10}
    assert 0 < told["single"]["ms"]["p50"] <= told["single"]["ms"]["max"] < 10_000
    assert told["probe"]["statuses"] == {"200": 1}
    assert len(delays) == 10
    assert all(delay > 0 for delay in delays)


def test_a_service_that_is_not_there_is_a_figure_and_counts_with_the_whole_timeout(tmp_path):
    told = victim(tmp_path, free_port())
    assert told["single"]["statuses"] == {"closed": 10}
    assert told["single"]["ms"]["p50"] == told["probe"]["ms"]["p50"] == 10_000


def test_a_batch_is_posted_again_until_it_is_accepted(tmp_path):
    with Receiver(tmp_path) as receiver:  # it answers 200 and never 202
        orders = ATTACK | {"mode": "batches", "port": receiver.port}
        with Part("attacker.py", orders, tmp_path) as part:
            seen = 0

            def thrice() -> bool:
                nonlocal seen
                seen += receiver.ask("/report")["seen"]
                return seen >= 6

            until(thrice, "three posts of each batch")
            part.signal(signal.SIGUSR1)
            told = part.answer()
    assert (told["begun"], told["accepted"]) == (2, 0)
    assert told["statuses"]["batch"]["200"] >= 6


def test_a_held_body_lacks_one_byte(tmp_path):
    with Receiver(tmp_path) as receiver:
        orders = ATTACK | {"mode": "hold", "port": receiver.port, "bytes": 50}
        orders["head"] = "POST /hook HTTP/1.1\r\n"
        with Part("attacker.py", orders, tmp_path) as part:
            connections = 0

            def both() -> bool:
                nonlocal connections
                connections += receiver.ask("/report")["connections"]
                return connections >= 2

            until(both, "both connections")
            told = part.answer()
        report = receiver.ask("/report")
    assert told["held"] == 2
    assert report["seen"] == 0


def a_round(attack: str, **more: object) -> dict:
    measured = {"statuses": {"202": 600}, "errors": 0, "ms": {"p50": 2.0, "p99": 9.0, "max": 9.0}}
    return {
        "attack": attack, "single": measured, "healthz": measured, "readyz": measured,
        "delivered_ms": {}, "undelivered": 0, "failed_attempts": 0, "own_lack": 0, "leases": None,
        "at_rest_mib": 80.0, "memory_mib": 90.0, "attacker": {}, "stop_s": 1.0, "killed": False,
    } | more  # fmt: skip


def test_figures_are_those_of_the_worst_round():
    slow = {"statuses": {"202": 590, "503": 7, "timeout": 3}, "errors": 0,
            "ms": {"p50": 8.0, "p99": 250.0, "max": 300.0}}  # fmt: skip
    rounds = [
        a_round("quiet"),
        a_round("throttled", single=slow, stop_s=33.0),
        a_round("descriptors", own_lack=5),
    ]
    figures = fairness._outcome({"SQLite": rounds}, []).figures
    assert figures["sqlite_p99_ms"] == 250.0
    assert figures["sqlite_p50_ratio"] == 4.0
    assert figures["sqlite_refused"] == 10
    assert figures["sqlite_failed_attempts"] == 5
    assert figures["sqlite_stop_s"] == 33.0
    assert figures["sqlite_rounds_failed"] == 0


def test_a_round_that_the_service_did_not_live_through_is_counted_and_told():
    rounds = [a_round("quiet"), {"attack": "backlog", "failed": "the service ended by itself"}]
    outcome = fairness._outcome({"PostgreSQL": rounds}, [])
    assert outcome.figures["postgresql_rounds_failed"] == 1
    assert any("ended by itself" in note for note in outcome.notes)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_attack_is_described(attack):
    page = Path(__file__).parents[3] / "docs" / "performance" / "README.md"
    assert f"`{attack.name}`" in page.read_text()

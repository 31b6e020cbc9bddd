"""The metrics of several workers: each worker shows those of all."""

import asyncio
import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.processes import peer_metrics
from winnerr_webhooks.processes.peer_metrics import PeerMetrics, merge_metrics
from winnerr_webhooks.processes.worker_context import WorkerContext


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("winnerr_webhooks_"), *sorted(sample.labels.values())): (
            sample.value
        )
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


class Process:
    """The part of a worker that serves metrics."""

    def __init__(self, folder: Path, number: int) -> None:
        self.metrics = Metrics()
        self.supervisor, self.channel = socket.socketpair()
        worker = WorkerContext(
            number=number, listener=-1, channel=self.channel.fileno(), folder=str(folder)
        )
        self.socket = worker.socket
        self.peer_metrics = PeerMetrics(worker, self.metrics.render_process)

    async def shown(self) -> dict[tuple[str, ...], float]:
        return samples(await self.peer_metrics.render_all(self.metrics.render_process()))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sockets"
    folder.mkdir()
    return folder


@pytest.fixture
async def start(folder):
    """Start serving the metrics of a worker."""
    started: list[Process] = []

    async def start_(number: int) -> Process:
        started.append(Process(folder, number))
        await started[-1].peer_metrics.start()
        return started[-1]

    yield start_
    for process in started:
        await process.peer_metrics.close()
        process.supervisor.close()
        process.channel.close()


@pytest.fixture
async def processes(start):
    return [await start(number) for number in (1, 2, 10)]


async def test_each_worker_shows_the_metrics_of_all(processes) -> None:
    for count, process in enumerate(processes, 1):
        process.metrics.event_accepted(count)
        process.metrics.attempts_made([0.2], ["dns"])
    shown = [await process.shown() for process in processes]
    for one in shown:
        assert one["events_accepted_total", "1"] == 1
        assert one["events_accepted_total", "2"] == 2
        assert one["events_accepted_total", "10"] == 3
        assert one["attempts_total", "10", "dns", "failed"] == 1
        assert one["attempt_duration_seconds_bucket", "0.25", "2"] == 1
        assert one["attempt_duration_seconds_count", "2"] == 1
    assert shown[0].keys() == shown[1].keys() == shown[2].keys()


async def test_each_metric_is_described_once_with_its_processes_in_order(processes) -> None:
    text = (
        await processes[1].peer_metrics.render_all(processes[1].metrics.render_process())
    ).decode()
    lines = [line for line in text.splitlines() if "events_accepted_total" in line]
    assert [line.rpartition(" ")[0] for line in lines] == [
        "# HELP winnerr_webhooks_events_accepted_total Events",
        "# TYPE winnerr_webhooks_events_accepted_total",
        'winnerr_webhooks_events_accepted_total{process="1"}',
        'winnerr_webhooks_events_accepted_total{process="2"}',
        'winnerr_webhooks_events_accepted_total{process="10"}',
    ]


async def test_a_process_that_died_is_left_out_and_its_successor_takes_its_place(
    processes, start
) -> None:
    dead = processes[2]
    kept = dead.socket.with_suffix(".kept")
    kept.hardlink_to(dead.socket)
    dead.peer_metrics._server.close()
    kept.rename(dead.socket)  # as a kill leaves it, which Python 3.13's close() does not
    shown = await processes[0].shown()
    assert {key[-1] for key in shown if key[0] == "events_accepted_total"} == {"1", "2"}
    successor = await start(10)
    successor.metrics.event_accepted(7)
    assert (await processes[0].shown())["events_accepted_total", "10"] == 7


async def test_a_process_that_hangs_or_breaks_off_is_left_out(
    processes, folder, monkeypatch
) -> None:
    monkeypatch.setattr(peer_metrics, "PEER_SECONDS", 0.05)
    hangs = socket.socket(socket.AF_UNIX)
    hangs.bind(str(folder / "3.sock"))
    hangs.listen()

    async def break_off(_reader, writer) -> None:
        writer.write(processes[0].metrics.render_process()[:-20])
        writer.close()

    breaks = await asyncio.start_unix_server(break_off, folder / "4.sock")
    for _ in range(20):  # a busy machine may be too late for one that is well
        shown = await processes[0].shown()
        numbers = {key[-1] for key in shown if key[0] == "events_accepted_total"}
        assert not numbers & {"3", "4"}
        if numbers == {"1", "2", "10"}:
            break
    else:
        pytest.fail(f"never all that are well, {numbers} at last")
    breaks.close()
    hangs.close()


async def test_the_metrics_of_a_single_worker_have_its_label(start) -> None:
    process = await start(1)
    process.metrics.event_accepted()
    assert (await process.shown())["events_accepted_total", "1"] == 1


async def test_the_last_worker_removes_the_folder_of_a_dead_supervisor(folder, start) -> None:
    """The supervisor usually does it, but it may have been killed."""
    one, other = await start(1), await start(2)
    one.supervisor.close()
    other.supervisor.close()
    await one.peer_metrics.close()
    assert list(folder.iterdir()) == [other.socket]
    await other.peer_metrics.close()
    assert not folder.exists()


async def test_the_folder_stays_while_the_supervisor_may_start_another(folder, start) -> None:
    process = await start(1)
    await process.peer_metrics.close()
    assert list(folder.iterdir()) == []


def test_merging_keeps_every_sample() -> None:
    metrics = Metrics()
    metrics.event_accepted(3)
    metrics.event_refused(503)
    metrics.attempts_made([0.2], ["dns"])
    metrics.watch("in_flight", 'Attempts "under way" \\ here.', lambda: 4)
    rendered = metrics.render_process()  # once: the CPU time of a process changes meanwhile
    alone, told = (
        {
            (f.name, f.type, f.documentation, s.name, tuple(sorted(s.labels.items())), s.value)
            for f in text_string_to_metric_families(text.decode())
            for s in [
                s._replace(labels={k: v for k, v in s.labels.items() if k != "process"})
                for s in f.samples
            ]
        }
        for text in (rendered, merge_metrics({"1": rendered}))
    )
    assert alone == told

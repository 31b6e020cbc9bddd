"""The load sends what it says, the receiver counts it, and CPU is that of a whole family."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import machine
from bench.parts.load import STAMP_BASE, Requests
from bench.processes import Receiver, run_part

ORDERS = {"port": 1, "key": "k", "mode": "closed", "clients": 4, "seconds": 0.2}


def bodies(requests: Requests, count: int) -> list:
    found = []
    for number in range(count):
        head, _, body = requests.next(float(number)).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        found.append(json.loads(body))
    return found


def test_events_go_to_one_organization_after_another():
    requests = Requests(ORDERS | {"first": 7, "organizations": 3})
    organizations = [body["organizationId"] for body in bodies(requests, 4)]
    assert organizations == ["org_000007", "org_000008", "org_000009", "org_000007"]


def test_a_batch_holds_as_many_events_as_were_ordered():
    (body,) = bodies(Requests(ORDERS | {"batch": 100}), 1)
    assert len(body) == 100
    assert {event["organizationId"] for event in body} == {"org_000000"}


def test_an_event_says_in_microseconds_when_it_was_due():
    stamps = [body["data"]["sent"] for body in bodies(Requests(ORDERS | {"mode": "open"}), 3)]
    assert stamps == [STAMP_BASE, STAMP_BASE + 1_000_000, STAMP_BASE + 2_000_000]


@pytest.mark.parametrize("more", [{"mode": "closed"}, {"mode": "open", "rate": 200}])
def test_the_receiver_sees_every_request_the_load_counts(tmp_path, more):
    with Receiver(tmp_path) as receiver:
        told = run_part("load.py", ORDERS | more | {"port": receiver.port, "path": "/hook"})
        report = receiver.ask("/report")
    assert told["statuses"] == {"200": told["requests"]}
    assert report["seen"] == told["requests"] > 0
    assert report["connections"] == ORDERS["clients"]
    assert len(report["delays_ms"]) == (told["requests"] if more["mode"] == "open" else 0)
    assert all(delay > 0 for delay in report["delays_ms"])


def test_a_receiver_that_holds_answers_once_it_is_released(tmp_path):
    with Receiver(tmp_path) as receiver:
        load = Path(__file__).parents[3] / "bench" / "parts" / "load.py"
        orders = ORDERS | {"port": receiver.port, "path": "/hang"}
        with subprocess.Popen(
            [sys.executable, load], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            process.stdin.write(json.dumps(orders))
            process.stdin.close()
            seen = 0
            while seen < ORDERS["clients"]:
                seen += receiver.ask("/report")["seen"]
            assert process.poll() is None
            receiver.ask("/release")
            told = json.loads(process.stdout.read())
    assert told["statuses"] == {"200": told["requests"]}


def test_cpu_is_that_of_a_process_with_the_children_it_has_and_had():
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    waiting = burn + "print(flush=True)\ninput()"
    program = f"""if True:
        import subprocess, sys
        subprocess.run([sys.executable, '-c', {burn!r}])
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        living = subprocess.Popen([sys.executable, '-c', {waiting!r}], **pipes)
        living.stdout.readline()
        print(flush=True)
        input()
        living.communicate()"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        used = machine.cpu_seconds(process.pid)
        assert len(machine.family(process.pid)) == 2
        process.communicate(b"\n")
    assert used >= 0.6 - 4 / machine.TICK


def test_the_file_system_of_a_folder_is_the_one_mounted_nearest():
    assert machine.file_system(Path("/proc/self")) == "proc"


def test_an_fsync_takes_time_and_leaves_no_file(tmp_path):
    taken = machine.fsync_ms(tmp_path, times=3)
    assert 0 < taken["p50"] <= taken["max"]
    assert list(tmp_path.iterdir()) == []


def test_usage_is_the_work_and_the_wakeups_of_a_process_and_its_children():
    echo = """if True:
        import sys, time
        for line in sys.stdin:
            while time.thread_time() < float(line): pass
            print(flush=True)"""
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {echo!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:

        def ask(seconds: float) -> None:
            process.stdin.write(b"%f\n" % seconds)
            process.stdin.flush()
            process.stdout.readline()

        ask(0)
        before = machine.usage(process.pid)
        ask(1.0)
        worked = machine.usage(process.pid) - before
        for _ in range(2000):  # on a busy machine the next line is often there before it waits
            ask(0)
        waited = machine.usage(process.pid) - before
        process.stdin.close()
    assert worked.cpu >= 0.8
    assert waited.wakeups >= 20

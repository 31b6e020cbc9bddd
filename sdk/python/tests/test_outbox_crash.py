"""Emitters and relays are killed at random moments: what was committed is delivered, exactly."""

import contextlib
import http.server
import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from winnerr_webhooks_sdk import Emitter
from winnerr_webhooks_sdk.outbox import count_rows, relay
from winnerr_webhooks_sdk.outbox.relay import CLAIM_SECONDS

SOURCE = Path(__file__).parents[1] / "src"
BEGIN = f"import sys\nsys.path[:0] = [{str(SOURCE)!r}, {str(Path(__file__).parent)!r}]\n"
EMIT = (
    BEGIN
    + """
import harness
from winnerr_webhooks_sdk.outbox import Outbox
kind, place, organization, number = sys.argv[1:]
connection = getattr(harness, kind)(place).connect()
outbox = Outbox(connection)
number = int(number)
while True:
    number += 1
    connection.cursor().execute(f"INSERT INTO contact VALUES ({number}, '{organization}')")
    outbox.emit("contact.created", organization, {"n": number})
    print(number, flush=True)
    connection.rollback() if number % 5 == 0 else connection.commit()
"""
)
RELAY = BEGIN + "from winnerr_webhooks_sdk.outbox.command import main\nsys.exit(main())"
LONGEST_PAUSE = 0.004
"""Seconds between a line of the emitter, just before its commit, and the kill: longer than a commit."""


class Receiver(http.server.ThreadingHTTPServer):
    """Counts what is delivered: (organization, number) of each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Receive)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.received = []
        self.arrived = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait_for(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, 60)


class _Receive(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.arrived:
            self.server.received.append((payload["organizationId"], payload["data"]["n"]))
            self.server.arrived.notify_all()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.shutdown()
    one.server_close()


def start_emitter(database, organization, number):
    command = [sys.executable, "-c", EMIT, type(database).__name__, str(database.place)]
    return subprocess.Popen([*command, organization, str(number)], stdout=subprocess.PIPE)


def start_relay(database, service):
    command = [sys.executable, "-c", RELAY, "--from", database.relay_url]
    command += ["--server", service.url, "--key", service.key]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert b"Moving events" in process.stderr.readline()
    return process


def kill_around_a_commit(process, chance):
    with process:
        for _ in range(chance.randrange(1, 60)):
            assert process.stdout.readline(), "it ended by itself"
        end = time.perf_counter() + chance.uniform(0, LONGEST_PAUSE)
        while time.perf_counter() < end:
            pass
        process.kill()


@pytest.mark.parametrize("rounds", [6, pytest.param(50, marks=pytest.mark.chaos)])
@pytest.mark.timeout(900)
def test_what_was_committed_is_delivered_exactly_and_accepted_in_order(
    database, service, receiver, rounds
):
    """Each round kills an emitter and one of two relays; every fifth transaction is rolled back."""
    seed = time.time_ns()
    chance = random.Random(seed)
    kind, tag = type(database).__name__, f"{rounds}_{seed}"
    with contextlib.closing(database.connect()) as connection:
        connection.cursor().execute("DROP TABLE IF EXISTS contact")
        connection.cursor().execute("CREATE TABLE contact (id integer, organization varchar(64))")
        connection.commit()
        relays = [start_relay(database, service)]
        for number in range(rounds):
            organization = f"org_{kind}_{tag}_{number}"[:64]
            service.call(
                "POST",
                f"/api/v1/organizations/{organization}/webhooks",
                {"url": receiver.url, "events": ["*"]},
            )
            relays.append(start_relay(database, service))
            kill_around_a_commit(start_emitter(database, organization, number * 1_000), chance)
            killed = relays.pop(chance.randrange(2))
            with killed:
                killed.kill()
        with relays[0] as last:
            last.terminate()
            assert last.wait(60) == 0
        waiting = count_rows(connection).waiting
        connection.rollback()
        with Emitter(service.url, service.key) as emitter:
            while count_rows(connection).waiting:
                connection.rollback()
                relay(connection, emitter, now=lambda: time.time() + CLAIM_SECONDS + 1)
        cursor = connection.cursor()
        cursor.execute("SELECT organization, id FROM contact ORDER BY id")
        committed = [tuple(row) for row in cursor.fetchall()]
        connection.rollback()
    receiver.wait_for(len(committed))
    accepted = accepted_by(service, f"org_{kind}_{tag}")
    print(
        f"{kind}, seed {seed}: {rounds} emitters and {rounds} relays killed, {len(committed)} "
        f"committed, {len(accepted)} accepted, {len(receiver.received)} delivered; the relays had "
        f"left {waiting}"
    )
    assert accepted == committed
    assert sorted(receiver.received) == sorted(committed)
    assert len(committed) > rounds


def accepted_by(service, prefix):
    """Return organization and number of the events, each organization's in order of acceptance."""
    with contextlib.closing(sqlite3.connect(str(service.folder / "service.db"))) as connection:
        bodies = [row[0] for row in connection.execute("SELECT body FROM event ORDER BY id")]
    payloads = [json.loads(bytes(body)) for body in bodies]
    found = {}
    for one in payloads:
        if one["organizationId"].startswith(prefix):
            found.setdefault(one["organizationId"], []).append(one["data"]["n"])
    ordered = sorted(found, key=lambda name: int(name.rpartition("_")[2]))
    return [(name, number) for name in ordered for number in found[name]]

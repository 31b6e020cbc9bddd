"""Emitters and relays are killed at random moments: what was committed is accepted, exactly."""

import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from winnerr_webhooks_sdk import Emitter
from winnerr_webhooks_sdk.outbox import count_rows, relay

ROUNDS = 12
SOURCE = Path(__file__).parents[1] / "src"
EMIT = """
number = int(sys.argv[4])
outbox = Outbox(connection)
while True:
    number += 1
    print("begins", flush=True)
    statement = f"INSERT INTO contact (id) VALUES ({number})"
    connection.cursor().execute(statement)
    outbox.emit("contact.created", organization, {"n": number})
    print("commits", flush=True)
    connection.rollback() if number % 5 == 0 else connection.commit()
"""
RELAY = """
with Emitter(sys.argv[4], sys.argv[5]) as emitter:
    while True:
        print("begins", flush=True)
        print(relay(connection, emitter, claim_seconds=0), flush=True)
"""
BEGIN = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import harness
from winnerr_webhooks_sdk import Emitter
from winnerr_webhooks_sdk.outbox import Outbox, relay
kind, place, organization = sys.argv[3].split("|")
database = getattr(harness, kind)(place)
connection = database.connect()
"""


def start(script, database, organization, *words):
    place = f"{type(database).__name__}|{database.place}|{organization}"
    command = [sys.executable, "-c", BEGIN + script, str(SOURCE), str(Path(__file__).parent), place]
    return subprocess.Popen([*command, *map(str, words)], stdout=subprocess.PIPE)


def kill_after(process, lines):
    """Kill it after this many lines of output, at a random moment of its work."""
    with process:
        for _ in range(lines):
            assert process.stdout.readline(), "it ended by itself"
        process.kill()


@pytest.mark.timeout(300)
def test_what_was_committed_is_accepted_exactly(database, service):
    seed = time.time_ns()
    chance = random.Random(seed)
    print(f"seed {seed}")
    organization = f"org_crash_{type(database).__name__}"
    with contextlib.closing(database.connect()) as connection:
        connection.cursor().execute("DROP TABLE IF EXISTS contact")
        connection.cursor().execute("CREATE TABLE contact (id integer PRIMARY KEY)")
        connection.commit()
        for number in range(ROUNDS):
            relaying = start(RELAY, database, organization, service.url, service.key)
            emitting = start(EMIT, database, organization, number * 1_000)
            kill_after(emitting, chance.randrange(1, 80))
            kill_after(relaying, chance.randrange(1, 12))
        with Emitter(service.url, service.key) as emitter:
            while count_rows(connection).waiting:
                connection.rollback()
                relay(connection, emitter)
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM contact ORDER BY id")
        committed = [row[0] for row in cursor.fetchall()]
        connection.rollback()
    assert accepted(service, organization) == committed
    assert len(committed) > ROUNDS


def accepted(service, organization):
    """The numbers of the organization's events, in the order of their acceptance."""
    with contextlib.closing(sqlite3.connect(str(service.folder / "service.db"))) as connection:
        bodies = [row[0] for row in connection.execute("SELECT body FROM event ORDER BY id")]
    payloads = [json.loads(bytes(body)) for body in bodies]
    return [one["data"]["n"] for one in payloads if one["organizationId"] == organization]

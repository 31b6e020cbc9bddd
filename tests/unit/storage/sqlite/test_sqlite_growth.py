"""Webhooks that were deleted cost nobody anything: no statement goes through all of them."""

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.crypto import EncryptionKey, Keyring
from winnerr_webhooks.storage import (
    job_selection,
    jobs,
    log_queries,
    webhook_queries,
    webhook_states,
)
from winnerr_webhooks.storage.sqlite import sqlite_file
from winnerr_webhooks.storage.sqlite.sqlite_session import run_to_end
from winnerr_webhooks.storage.values import DeliveryFilter, NewWebhook, ReplayFilter
from winnerr_webhooks.storage.webhook_columns import new_columns

EVENT = f"evt_{'0' * 26}"
ORGANIZATION = "org_1"
NOW = 1_800_000_000_000
CLOCK = SystemClock()
KEYRING = Keyring((EncryptionKey("k1", bytes(32)),))


@pytest.fixture
def connection(tmp_path):
    opened = sqlite_file.open_writer(str(tmp_path / "webhooks.db"), cache_kib=4_000)
    yield opened
    opened.close()


async def create(db, number):
    new = NewWebhook(
        id=f"wh_{number:026}",
        organization=ORGANIZATION,
        url="https://hooks.example.com/",
        description=None,
        events=("*",),
        secret=None,
    )
    await webhook_queries.create(db, new, new_columns(new, KEYRING), 500, NOW)


def read_deliveries(db, **filters):
    query = DeliveryFilter(organization=ORGANIZATION, **filters)
    return log_queries.deliveries(db, query, CLOCK)


READS = {
    "an event": lambda db: log_queries.event(db, ORGANIZATION, EVENT),
    "webhooks": lambda db: webhook_queries.list_webhooks(db, ORGANIZATION, NOW),
    "states": lambda db: webhook_states.webhook_states(db, ORGANIZATION, NOW),
    "health": lambda db: log_queries.health(db, ORGANIZATION, 0),
    "deliveries": read_deliveries,
    "pending deliveries": lambda db: read_deliveries(db, status="pending"),
    "failed deliveries of one webhook": lambda db: read_deliveries(
        db, status="failed", webhook=f"wh_{1:026}"
    ),
    "a replay's count": lambda db: job_selection.count_matching(
        db, ReplayFilter(organization=ORGANIZATION, asked_at=NOW)
    ),
    "active webhooks": lambda db: jobs.enqueue(db, ReplayFilter(organization=ORGANIZATION), NOW),
    "secrets": lambda db: db.fetch("all_secrets"),
    "ends of overlaps": lambda db: db.execute("end_overlaps", now=NOW),
    "old events": lambda db: db.fetch_row("old_events", cursor="", floor="evt_z", slice=10),
    "a new webhook": lambda db: create(db, 9_000_000),
    "whose job is next": lambda db: db.fetch_row("next_job"),
}


def steps(db, read):
    """How many instructions of SQLite's machine a read takes."""
    taken = []
    db.apsw.set_progress_handler(lambda: taken.append(1) or False, 1)
    db.begin()
    try:
        run_to_end(read)(db)
    finally:
        db.rollback()
        db.apsw.set_progress_handler(None)
    return len(taken)


@pytest.mark.parametrize("name", READS)
def test_a_read_takes_as_long_with_deleted_webhooks_as_without(connection, name):
    connection.begin()
    run_to_end(lambda db: create(db, 1))(connection)
    values = {"id": EVENT, "organization": ORGANIZATION, "at": NOW}
    connection.apsw.execute(
        "INSERT INTO event (id, organization, name, accepted_at, body)"
        " VALUES (:id, :organization, 'contact.created', :at, x'7b7d')",
        values,
    )
    connection.commit()
    before = steps(connection, READS[name])
    connection.begin()
    connection.apsw.execute(
        "WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)"
        " INSERT INTO webhook (id, organization, number, url, events, status, created_at,"
        " updated_at, version, epoch, change_mark, failures)"
        " SELECT printf('wh_%026d', n), :organization, n, 'https://hooks.example.com/', '[\"*\"]',"
        " 'deleted', :at - 1, :at - 1, 2, 2, n, 0 FROM n",
        {"organization": ORGANIZATION, "at": NOW},
    )
    connection.commit()
    assert steps(connection, READS[name]) <= before + 200


def test_of_many_jobs_the_next_is_found_at_once(connection):
    connection.begin()
    connection.apsw.execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)"
        " INSERT INTO job (kind, webhook_id, requested_at, epoch, statuses, cursor, last_run)"
        " SELECT 'cancel', printf('wh_%026d', n), 0, 1, '[]', '', 0 FROM n"
    )
    connection.commit()
    assert steps(connection, lambda db: db.fetch_row("next_job")) < 200

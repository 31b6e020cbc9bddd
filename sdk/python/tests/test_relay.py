"""The relay: it moves the rows of an outbox to the API, also when two run at once."""

import contextlib
import json
import sqlite3
import threading

import pytest

import harness
from harness import emit, problem, sent
from winnerr_webhooks_sdk import Accepted, Emitter, Refused, Unavailable
from winnerr_webhooks_sdk.outbox import (
    Outbox,
    Round,
    count_rows,
    list_refused,
    relay,
    retry_refused,
    run_relay,
)


def test_rows_are_sent_in_the_order_of_emission(connection, api, sender):
    for number in range(30):
        emit(connection, number, organization=f"org_{number % 3}")
    assert relay(connection, sender).accepted == 30
    assert [event["data"]["n"] for event in sent(api)] == list(range(30))
    assert len(api.requests) == 1


def test_a_batch_has_at_most_a_thousand_events_and_8_mib(connection, api, sender):
    emit(connection, *range(1_001))
    assert relay(connection, sender).accepted == 1_000
    assert relay(connection, sender).accepted == 1
    outbox = Outbox(connection)
    for _ in range(40):
        outbox.emit("contact.created", "org_1", {"x": "y" * 250_000})
    connection.commit()
    assert relay(connection, sender).accepted == 33
    assert relay(connection, sender).accepted == 7
    assert len(api.requests) == 4


def test_what_is_refused_stays_with_its_reason_and_holds_nothing_up(connection, api, sender):
    emit(connection, 1, 2, 3)
    one = {"id": "evt_1", "duplicate": False, "deliveries": 0}
    wrong = json.loads(problem(422, "Invalid input", "There is no such event.")[2])
    results = json.dumps({"results": [one, {"error": wrong}, one]}).encode()
    api.answers = [(202, {}, results)]
    assert relay(connection, sender) == Round(accepted=2, refused=1)
    assert relay(connection, sender) == Round()
    (row,) = list_refused(connection)
    assert (row.id, row.organization, row.event) == ("org_1-2", "org_1", "contact.created")
    assert row.refusal == "422 Invalid input: There is no such event."
    assert count_rows(connection)[:2] == (0, 1)
    assert retry_refused(connection, [row.sequence + 1]) == 0
    assert retry_refused(connection, []) == 0
    assert retry_refused(connection, [row.sequence]) == 1
    connection.commit()
    assert relay(connection, sender) == Round(accepted=1)
    assert list_refused(connection) == []


def test_what_cannot_be_taken_now_is_sent_again_with_the_same_ids(connection, api, sender):
    emit(connection, 1, 2)
    api.answers = [problem(503), problem(503, retry_after=60)]
    assert relay(connection, sender) == Round(postponed=2)
    assert relay(connection, sender) == Round(postponed=2)
    assert count_rows(connection).waiting == 2
    assert relay(connection, sender) == Round(accepted=2)
    assert [event["id"] for event in sent(api)] == ["org_1-1", "org_1-2"] * 3


def test_a_wrong_key_refuses_no_row(connection, api, sender):
    emit(connection, 1)
    api.answers = [problem(401, "No valid API key")]
    with pytest.raises(Refused, match="No valid API key"):
        relay(connection, sender)
    assert count_rows(connection)[:2] == (1, 0)
    assert relay(connection, sender).accepted == 1


def test_a_row_that_spoils_the_whole_call_is_found(connection, api, sender):
    emit(connection, *range(10))

    def malformed(handler):
        events = api.requests[-1]
        if any(event["data"]["n"] == 6 for event in events):
            return problem(400, "Malformed request", "Not JSON.")
        return harness.accepted(events)

    api.answers = [malformed] * 100
    assert relay(connection, sender) == Round(accepted=9, refused=1)
    assert [row.id for row in list_refused(connection)] == ["org_1-6"]


def test_a_row_that_somebody_else_wrote_wrong_is_refused(connection, api, sender):
    connection.cursor().execute(
        "INSERT INTO winnerr_webhooks_outbox (id, organization, event, data, happened_at, size) "
        "VALUES ('x', 'org_1', 'contact.created', 'no JSON', '2025-01-15T14:23:00Z', 1)"
    )
    emit(connection, 1)
    assert relay(connection, sender) == Round(accepted=1, refused=1)
    assert "no event" in list_refused(connection)[0].refusal


# --- two relays ---------------------------------------------------------------------------------


def test_while_one_relay_sends_another_leaves_its_organizations_alone(
    connection, other, api, sender
):
    emit(connection, 1, 2)
    emit(connection, 3, organization="org_2")
    seen = []

    class Meanwhile:
        def submit(self, submissions):
            emit(other, 4)  # of a claimed organization
            emit(other, 5, organization="org_3")
            seen.append(relay(other, sender))
            return [Accepted("evt", False, 0) for _ in submissions]

    assert relay(connection, Meanwhile()) == Round(accepted=3)
    assert seen == [Round(accepted=1)]
    assert [event["organizationId"] for event in sent(api)] == ["org_3"]
    assert relay(other, sender) == Round(accepted=1)


def test_a_relay_that_died_is_followed_by_another_when_its_claim_ends(
    connection, other, api, sender
):
    emit(connection, 1)

    clock = [1_000.0]

    class Dying:
        def submit(self, submissions):
            # What another relay sees while this one has stopped, before and after the claim ends.
            assert relay(other, sender, now=lambda: clock[0] + 59) == Round()
            assert relay(other, sender, now=lambda: clock[0] + 61) == Round(accepted=1)
            return [Accepted("evt", True, 0) for _ in submissions]

    assert relay(connection, Dying(), now=lambda: clock[0]) == Round(accepted=1)
    assert count_rows(connection).waiting == 0
    assert len(sent(api)) == 1


def test_a_relay_that_woke_too_late_gives_up_no_claim_of_another(connection, other, api, sender):
    emit(connection, 1)
    rounds = []

    class Sleeping:
        def submit(self, submissions):
            class Other:
                def submit(self, same):
                    return [Unavailable("later", one.id) for one in same]

            rounds.append(relay(other, Other(), now=lambda: 2_000.0))
            return [Unavailable("later", one.id) for one in submissions]

    assert relay(connection, Sleeping(), now=lambda: 1_000.0) == Round(postponed=1)
    assert rounds == [Round(postponed=1)]
    assert relay(connection, sender, now=lambda: 2_000.0) == Round(accepted=1)


def test_two_relays_at_once_move_all_in_order_and_accepted_once(database, service):
    """Emitters commit and roll back while two relays run against the real server."""
    stop, done = threading.Event(), []
    organizations = [f"org_relay_{type(database).__name__}_{n}" for n in range(3)]

    def emit_all(organization):
        with contextlib.closing(database.connect()) as connection:
            outbox = Outbox(connection)
            for number in range(60):
                outbox.emit(
                    "contact.created", organization, {"n": number}, f"{organization}-{number}"
                )
                connection.commit()
                outbox.emit(
                    "contact.created", organization, {"n": -1}, f"{organization}-no-{number}"
                )
                connection.rollback()
        done.append(organization)

    def run():
        with Emitter(service.url, service.key) as sender:
            run_relay(database.connect, sender, stop, poll_seconds=0.01)

    relays = [threading.Thread(target=run) for _ in range(2)]
    emitters = [threading.Thread(target=emit_all, args=(one,)) for one in organizations]
    for thread in relays + emitters:
        thread.start()
    for thread in emitters:
        thread.join()
    with contextlib.closing(database.connect()) as connection:
        while count_rows(connection).waiting:
            connection.rollback()
            stop.wait(0.01)
    stop.set()
    for thread in relays:
        thread.join()
    assert sorted(done) == organizations
    events = accepted_by(service, organizations)
    for organization in organizations:
        assert events[organization] == list(range(60))


def accepted_by(service, organizations):
    """The numbers of an organization's events, in the order the server accepted them."""
    with contextlib.closing(sqlite3.connect(str(service.folder / "service.db"))) as connection:
        rows = connection.execute("SELECT id, body FROM event ORDER BY id").fetchall()
    found = {organization: [] for organization in organizations}
    for _, body in rows:
        payload = json.loads(bytes(body) if not isinstance(body, str) else body)
        if payload["organizationId"] in found:
            found[payload["organizationId"]].append(payload["data"]["n"])
    return found


def test_the_relay_goes_on_after_the_database_and_the_api_were_away(database, api):
    stop, tries = threading.Event(), []

    def connect():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no database")
        return database.connect()

    api.answers = [problem(503), lambda handler: stop.set() or harness.accepted(api.requests[-1])]
    with contextlib.closing(database.connect()) as connection:
        emit(connection, 1)
        with Emitter(api.url, "key", retry_for=0) as sender:
            run_relay(connect, sender, stop, poll_seconds=0.01)
        assert len(tries) == 2
        assert count_rows(connection).waiting == 0


def test_the_relay_ends_when_the_key_is_refused(database, api):
    api.answers = [problem(401, "No valid API key")]
    with contextlib.closing(database.connect()) as connection:
        emit(connection, 1)
    with Emitter(api.url, "key") as sender, pytest.raises(Refused):
        run_relay(database.connect, sender, threading.Event(), poll_seconds=0.01)

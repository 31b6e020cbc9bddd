"""`Emitter` and `AsyncEmitter` against the real server, and what they refuse to send."""

import json
import threading
from datetime import datetime, timedelta, timezone

import pytest

from harness import JANE, Service
from winnerr_webhooks_sdk import Accepted, NewEvent, Refused


def test_an_event_is_accepted_and_kept_as_it_was(make_emitter, service):
    emitter = make_emitter(service.url, service.key)
    happened_at = datetime(2025, 1, 15, 15, 23, tzinfo=timezone(timedelta(hours=1)))
    first = emitter.emit("contact.created", "org_1", JANE, happened_at=happened_at)
    assert first == Accepted(first.id, False, 0)
    kept = service.call("GET", f"/api/v1/organizations/org_1/events/{first.id}")
    payload = json.loads(kept["body"]) if "body" in kept else kept
    assert payload["data"] == JANE
    assert payload["timestamp"] == "2025-01-15T14:23:00Z"


def test_the_same_id_is_accepted_once(make_emitter, service):
    emitter = make_emitter(service.url, service.key)
    id = f"{make_emitter}-1"[:200]
    first = emitter.emit("contact.created", "org_1", JANE, id)
    again = emitter.emit("contact.created", "org_1", JANE, id)
    assert (again.id, again.duplicate) == (first.id, True)
    with pytest.raises(Refused, match="accepted before with another event") as refused:
        emitter.emit("contact.created", "org_1", {"id": "other"}, id)
    assert refused.value.status == 409


def test_digits_of_data_in_bytes_are_kept(make_emitter, service):
    emitter = make_emitter(service.url, service.key)
    data = b'{ "amount": 1.10, "big": 12345678901234567890, "huge": 1e400 }'
    emitter.emit("deal.created", "org_exact", data, "exact")
    with pytest.raises(Refused):
        emitter.emit("deal.created", "org_exact", data.replace(b"90,", b"91,"), "exact")
    assert emitter.emit("deal.created", "org_exact", data, "exact").duplicate


def test_a_wrong_event_is_refused_with_its_pointer(make_emitter, service):
    emitter = make_emitter(service.url, service.key)
    with pytest.raises(Refused) as refused:
        emitter.emit("contact.creatd", "org_1", JANE)
    assert refused.value.status == 422
    assert refused.value.errors[0].pointer == "/event"
    assert "contact.created" in str(refused.value)


def test_a_wrong_key_is_refused(make_emitter, service):
    emitter = make_emitter(service.url, "whk_wrong")
    with pytest.raises(Refused) as refused:
        emitter.emit("contact.created", "org_1", JANE)
    assert refused.value.status == 401
    with pytest.raises(Refused):
        emitter.emit_many([NewEvent("contact.created", "org_1", {"x": "y" * 200_000})] * 100)


def test_a_key_of_another_organization_is_refused_event_by_event(make_emitter, service):
    emitter = make_emitter(service.url, service.new_key("--organization", "org_1"))
    good, bad = emitter.emit_many(
        [NewEvent("contact.created", "org_1", JANE), NewEvent("contact.created", "org_2", JANE)]
    )
    assert isinstance(good, Accepted)
    assert isinstance(bad, Refused)
    assert bad.status == 403


def test_more_than_a_batch_is_sent_in_several(make_emitter, service):
    emitter = make_emitter(service.url, service.key)
    events = [NewEvent("contact.created", "org_many", {"n": n}) for n in range(2_500)]
    events[1_700] = NewEvent("nothing.known", "org_many", {})
    results = emitter.emit_many(iter(events))
    assert len(results) == 2_500
    assert [n for n, one in enumerate(results) if not isinstance(one, Accepted)] == [1_700]
    assert len({one.id for one in results if isinstance(one, Accepted)}) == 2_499


def test_large_events_are_cut_into_batches_by_their_bytes(make_emitter, service):
    emitter = make_emitter(service.url, service.key)
    events = [NewEvent("contact.created", "org_big", {"x": "y" * 250_000})] * 50
    assert all(isinstance(one, Accepted) for one in emitter.emit_many(events))


def test_no_events_are_no_call(make_emitter):
    assert make_emitter("http://127.0.0.1:9", "key").emit_many([]) == []


def test_a_restart_of_the_server_goes_unnoticed(make_emitter, tmp_path, service):
    own = Service(tmp_path)
    own.start()
    emitter = make_emitter(own.url, own.key, retry_for=60)
    emitter.emit("contact.created", "org_1", JANE)
    own.kill()
    restart = threading.Thread(target=own.start)
    restart.start()
    assert emitter.emit("contact.created", "org_1", JANE).duplicate is False
    restart.join()
    own.stop()


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("Contact Created", "org_1", {}), ValueError, "written like contact.created"),
        (("contact.created", "org 1", {}), ValueError, "1 to 64 of"),
        (("contact.created", "org_1", {}, ""), ValueError, "printable ASCII"),
        (("contact.created", "org_1", {}, "é"), ValueError, "printable ASCII"),
        (("contact.created", "org_1", {}, None, datetime(2025, 1, 1)), ValueError, "time zone"),
        (("contact.created", "org_1", {"at": datetime(2025, 1, 1)}), TypeError, "no form"),
        (("contact.created", "org_1", {"n": float("nan")}), ValueError, "NaN"),
        (("contact.created", "org_1", {"n": "\ud800"}), ValueError, "surrogate"),
        (("contact.created", "org_1", [1]), TypeError, "mapping"),
        (("contact.created", "org_1", "{}"), TypeError, "mapping"),
        (("contact.created", "org_1", b"[]"), ValueError, "no JSON object"),
        (("contact.created", "org_1", b"{"), ValueError, "Expecting"),
        (("contact.created", "org_1", b'{"n":NaN}'), ValueError, "NaN"),
        (("contact.created", "org_1", {"n": "x" * 300_000}), ValueError, "bytes"),
    ],
)
def test_an_event_that_cannot_be_sent_is_an_error_at_once(emitter, api, arguments, error, text):
    with pytest.raises(error, match=text):
        emitter.emit(*arguments)
    with pytest.raises(error, match=text):
        emitter.emit_many([NewEvent("contact.created", "org_1", {}), NewEvent(*arguments)])
    assert api.requests == []


@pytest.mark.parametrize("url", ["", "webhooks.example.com", "ftp://x", "https://"])
def test_an_address_that_is_none_is_an_error(make_emitter, url):
    with pytest.raises(ValueError, match="address"):
        make_emitter(url, "key")


@pytest.mark.parametrize("key", ["", "key\n", "schlüssel", " key"])
def test_a_key_that_is_none_is_an_error(make_emitter, key):
    with pytest.raises(ValueError, match="key"):
        make_emitter("https://example.com", key)

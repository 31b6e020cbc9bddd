"""`Emitter` and `AsyncEmitter`: what they repeat when the API refuses, breaks off or is silent."""

import json
import threading

import pytest

from harness import JANE, accepted, free_port, problem
from winnerr_webhooks_sdk import Accepted, EmitError, NewEvent, Refused, Unavailable


def test_503_is_repeated_with_the_same_id(emitter, api):
    api.answers = [problem(503, retry_after=0), problem(503)]
    assert emitter.emit("contact.created", "org_1", JANE).id == "evt_1"
    assert len(api.requests) == 3
    assert len(set(api.ids())) == 1


def test_retry_after_that_is_too_late_ends_it(emitter, api):
    api.answers = [problem(503, detail="The database is away.", retry_after=3600)]
    with pytest.raises(Unavailable, match="The database is away") as unavailable:
        emitter.emit("contact.created", "org_1", JANE)
    assert [unavailable.value.id] == api.ids()
    assert len(api.requests) == 1


def test_a_date_in_retry_after_is_understood(emitter, api):
    status, headers, body = problem(503)
    headers["Retry-After"] = "Wed, 21 Oct 2099 07:28:00 GMT"
    api.answers = [(status, headers, body)]
    with pytest.raises(Unavailable):
        emitter.emit("contact.created", "org_1", JANE)


def test_a_lost_answer_is_repeated_with_the_same_id(emitter, api):
    api.answers = [lambda handler: None]
    emitter.emit("contact.created", "org_1", JANE, "crm-1")
    assert api.ids() == ["crm-1", "crm-1"]


def test_an_answer_that_breaks_off_is_repeated(emitter, api):
    def cut(handler):
        handler.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{")

    api.answers = [cut]
    emitter.emit("contact.created", "org_1", JANE, "crm-1")
    assert api.ids() == ["crm-1", "crm-1"]


def test_an_answer_that_is_not_http_is_repeated(emitter, api):
    api.answers = [lambda handler: handler.wfile.write(b"nonsense\r\n\r\n") and None]
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.requests) == 2


def test_silence_is_repeated(make_emitter, api):
    ended = threading.Event()
    api.answers = [lambda handler: ended.wait(60) and None]
    make_emitter(api.url, "key", timeout=0.2).emit("contact.created", "org_1", JANE)
    ended.set()
    assert len(api.requests) == 2


def test_what_cannot_be_reached_is_unavailable_and_says_the_id(make_emitter):
    emitter = make_emitter(f"http://127.0.0.1:{free_port()}", "key", retry_for=0.3)
    with pytest.raises(Unavailable, match="accepted once") as unavailable:
        emitter.emit("contact.created", "org_1", JANE, id="crm-1")
    assert unavailable.value.id == "crm-1"


def test_a_refusal_is_not_repeated(emitter, api):
    errors = [{"pointer": "/data", "message": "It is too deep."}]
    api.answers = [problem(422, "Invalid input", "It is wrong.", errors=errors)]
    with pytest.raises(Refused, match="/data: It is too deep"):
        emitter.emit("contact.created", "org_1", JANE)
    assert len(api.requests) == 1


def test_of_a_batch_only_what_was_not_stored_is_repeated(emitter, api):
    one = {"id": "evt_1", "duplicate": False, "deliveries": 0}
    busy = {"error": {"type": "", "title": "Not now", "status": 503, "detail": "Later."}}
    wrong = {"error": {"type": "", "title": "Invalid", "status": 422, "detail": "Wrong."}}
    answer = json.dumps({"results": [one, busy, wrong, busy]}).encode()
    api.answers = [(202, {"Content-Type": "application/json"}, answer)]
    events = [NewEvent("contact.created", "org_1", {}, id=str(n)) for n in range(4)]
    results = emitter.emit_many(events)
    assert [type(result) for result in results] == [Accepted, Accepted, Refused, Accepted]
    sent = [[event["id"] for event in request] for request in api.requests]
    assert sent == [["0", "1", "2", "3"], ["1", "3"]]


def test_what_a_batch_could_not_store_in_time_is_unavailable(make_emitter, api):
    busy = {"error": {"type": "", "title": "Not now", "status": 503, "detail": "Later."}}
    one = {"id": "evt_1", "duplicate": False, "deliveries": 0}

    def half(handler):
        count = len(api.requests[-1])
        results = [one if n == 0 and count > 1 else busy for n in range(count)]
        return 202, {}, json.dumps({"results": results}).encode()

    api.answers = [half] * 100
    events = [NewEvent("contact.created", "org_1", {}, id=str(n)) for n in range(3)]
    first, *others = make_emitter(api.url, "key", retry_for=0.3).emit_many(events)
    assert isinstance(first, Accepted)
    assert isinstance(others[-1], Unavailable)
    assert others[-1].id == "2"
    assert str(others[-1]).startswith("The API answers 503 Not now: Later. Emit it again")


def test_when_a_later_batch_is_refused_the_first_ones_results_are_kept(emitter, api):
    api.answers = [lambda handler: accepted(api.requests[-1]), problem(401, "No valid API key")]
    results = emitter.emit_many([NewEvent("contact.created", "org_1", {})] * 1_500)
    assert all(isinstance(one, Accepted) for one in results[:1_000])
    assert all(isinstance(one, Refused) and one.status == 401 for one in results[1_000:])


def test_what_is_not_the_api_is_said_so(emitter, api):
    api.answers = [(404, {"Content-Type": "text/html"}, b"<h1>Not found</h1>")]
    with pytest.raises(Refused, match="not an answer of the API"):
        emitter.emit("contact.created", "org_1", JANE)
    api.answers = [(202, {"Content-Type": "text/html"}, b"<h1>Hello</h1>")]
    with pytest.raises(EmitError, match="no JSON object"):
        emitter.emit("contact.created", "org_1", JANE)

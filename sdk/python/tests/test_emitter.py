"""`Emitter` and `AsyncEmitter`: one suite for both, against the real server and a scripted one."""

import asyncio
import json
import os
import ssl
import subprocess
import threading
from datetime import datetime, timedelta, timezone

import pytest

from harness import ScriptedApi, Service, accepted, free_port, problem
from winnerr_webhooks_sdk import (
    Accepted,
    AsyncEmitter,
    EmitError,
    Emitter,
    NewEvent,
    Refused,
    Unavailable,
)

JANE = {"id": "contact_xyz", "name": "Zoë 木村"}


class Blocking:
    """`AsyncEmitter`, called as `Emitter` is."""

    def __init__(self, *arguments, **options):
        self.emitter = AsyncEmitter(*arguments, **options)
        self.loop = asyncio.new_event_loop()

    def emit(self, *arguments, **options):
        return self.loop.run_until_complete(self.emitter.emit(*arguments, **options))

    def emit_many(self, events):
        return self.loop.run_until_complete(self.emitter.emit_many(events))

    def close(self):
        self.loop.run_until_complete(self.emitter.close())
        self.loop.close()


@pytest.fixture(params=[Emitter, Blocking], ids=["Emitter", "AsyncEmitter"])
def make(request):
    made = []

    def make_one(*arguments, **options):
        made.append(request.param(*arguments, **options))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


@pytest.fixture
def emitter(make, api):
    return make(api.url, "key", retry_for=5)


# --- against the real server --------------------------------------------------------------------


def test_an_event_is_accepted_and_kept_as_it_was(make, service):
    emitter = make(service.url, service.key)
    happened_at = datetime(2025, 1, 15, 15, 23, tzinfo=timezone(timedelta(hours=1)))
    first = emitter.emit("contact.created", "org_1", JANE, happened_at=happened_at)
    assert first == Accepted(first.id, False, 0)
    kept = service.call("GET", f"/api/v1/organizations/org_1/events/{first.id}")
    payload = json.loads(kept["body"]) if "body" in kept else kept
    assert payload["data"] == JANE
    assert payload["timestamp"] == "2025-01-15T14:23:00Z"


def test_the_same_id_is_accepted_once(make, service):
    emitter = make(service.url, service.key)
    id = f"{make}-1"[:200]
    first = emitter.emit("contact.created", "org_1", JANE, id)
    again = emitter.emit("contact.created", "org_1", JANE, id)
    assert (again.id, again.duplicate) == (first.id, True)
    with pytest.raises(Refused, match="accepted before with another event") as refused:
        emitter.emit("contact.created", "org_1", {"id": "other"}, id)
    assert refused.value.status == 409


def test_digits_of_data_in_bytes_are_kept(make, service):
    emitter = make(service.url, service.key)
    data = b'{ "amount": 1.10, "big": 12345678901234567890, "huge": 1e400 }'
    emitter.emit("deal.created", "org_exact", data, "exact")
    with pytest.raises(Refused):
        emitter.emit("deal.created", "org_exact", data.replace(b"90,", b"91,"), "exact")
    assert emitter.emit("deal.created", "org_exact", data, "exact").duplicate


def test_a_wrong_event_is_refused_with_its_pointer(make, service):
    emitter = make(service.url, service.key)
    with pytest.raises(Refused) as refused:
        emitter.emit("contact.creatd", "org_1", JANE)
    assert refused.value.status == 422
    assert refused.value.errors[0].pointer == "/event"
    assert "contact.created" in str(refused.value)


def test_a_wrong_key_is_refused(make, service):
    emitter = make(service.url, "whk_wrong")
    with pytest.raises(Refused) as refused:
        emitter.emit("contact.created", "org_1", JANE)
    assert refused.value.status == 401
    with pytest.raises(Refused):
        emitter.emit_many([NewEvent("contact.created", "org_1", {"x": "y" * 200_000})] * 100)


def test_a_key_of_another_organization_is_refused_event_by_event(make, service):
    emitter = make(service.url, service.new_key("--organization", "org_1"))
    good, bad = emitter.emit_many(
        [NewEvent("contact.created", "org_1", JANE), NewEvent("contact.created", "org_2", JANE)]
    )
    assert isinstance(good, Accepted)
    assert isinstance(bad, Refused)
    assert bad.status == 403


def test_more_than_a_batch_is_sent_in_several(make, service):
    emitter = make(service.url, service.key)
    events = [NewEvent("contact.created", "org_many", {"n": n}) for n in range(2_500)]
    events[1_700] = NewEvent("nothing.known", "org_many", {})
    results = emitter.emit_many(iter(events))
    assert len(results) == 2_500
    assert [n for n, one in enumerate(results) if not isinstance(one, Accepted)] == [1_700]
    assert len({one.id for one in results if isinstance(one, Accepted)}) == 2_499


def test_large_events_are_cut_into_batches_by_their_bytes(make, service):
    emitter = make(service.url, service.key)
    events = [NewEvent("contact.created", "org_big", {"x": "y" * 250_000})] * 50
    assert all(isinstance(one, Accepted) for one in emitter.emit_many(events))


def test_no_events_are_no_call(make):
    assert make("http://127.0.0.1:9", "key").emit_many([]) == []


def test_a_restart_of_the_server_goes_unnoticed(make, tmp_path, service):
    own = Service(tmp_path)
    own.start()
    emitter = make(own.url, own.key, retry_for=60)
    emitter.emit("contact.created", "org_1", JANE)
    own.kill()
    restart = threading.Thread(target=own.start)
    restart.start()
    assert emitter.emit("contact.created", "org_1", JANE).duplicate is False
    restart.join()
    own.stop()


# --- repeats ------------------------------------------------------------------------------------


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


def test_silence_is_repeated(make, api):
    ended = threading.Event()
    api.answers = [lambda handler: ended.wait(60) and None]
    make(api.url, "key", timeout=0.2).emit("contact.created", "org_1", JANE)
    ended.set()
    assert len(api.requests) == 2


def test_what_cannot_be_reached_is_unavailable_and_says_the_id(make):
    emitter = make(f"http://127.0.0.1:{free_port()}", "key", retry_for=0.3)
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


def test_what_a_batch_could_not_store_in_time_is_unavailable(make, api):
    busy = {"error": {"type": "", "title": "Not now", "status": 503, "detail": "Later."}}
    one = {"id": "evt_1", "duplicate": False, "deliveries": 0}

    def half(handler):
        count = len(api.requests[-1])
        results = [one if n == 0 and count > 1 else busy for n in range(count)]
        return 202, {}, json.dumps({"results": results}).encode()

    api.answers = [half] * 100
    events = [NewEvent("contact.created", "org_1", {}, id=str(n)) for n in range(3)]
    first, *others = make(api.url, "key", retry_for=0.3).emit_many(events)
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


# --- connections --------------------------------------------------------------------------------


def test_a_connection_is_used_again(emitter, api):
    for _ in range(5):
        emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 1


def test_a_kept_connection_that_the_server_closed_is_replaced_at_once(make, api):
    emitter = make(api.url, "key", retry_for=0)
    closed = threading.Event()

    def answer_and_close(handler):
        handler.close_connection = True
        closed.set()
        return accepted(api.requests[-1])

    api.answers = [answer_and_close]
    emitter.emit("contact.created", "org_1", JANE)
    assert closed.is_set()
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 2


def test_a_chunked_answer_is_read(emitter, api):
    body = b'{"id":"evt_2","duplicate":false,"deliveries":3}'
    chunks = (
        b"5;x=y\r\n"
        + body[:5]
        + b"\r\n%x\r\n" % len(body[5:])
        + body[5:]
        + b"\r\n0\r\nA: b\r\n\r\n"
    )
    api.answers = [(202, {"Transfer-Encoding": "chunked"}, chunks)]
    assert emitter.emit("contact.created", "org_1", JANE).deliveries == 3
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 1


def test_threads_share_an_emitter(api):
    failures = []

    def work():
        try:
            for _ in range(20):
                emitter.emit("contact.created", "org_1", JANE)
        except Exception as error:
            failures.append(error)

    with Emitter(api.url, "key") as emitter:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(api.requests) == len(set(api.ids())) == 160
    assert len(api.connections) <= 8


def test_a_fork_does_not_use_its_parents_connections(api):
    with Emitter(api.url, "key") as emitter:
        emitter.emit("contact.created", "org_1", JANE)
        child = os.fork()
        if child == 0:
            try:
                emitter.emit("contact.created", "org_1", JANE)
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 2


def test_tasks_share_an_async_emitter_and_its_connections(api):
    async def main():
        async with AsyncEmitter(api.url, "key", connections=4) as emitter:
            calls = [emitter.emit("contact.created", "org_1", JANE) for _ in range(100)]
            return await asyncio.gather(*calls)

    assert len(asyncio.run(main())) == 100
    assert len(api.connections) <= 4


def test_a_cancelled_call_leaves_the_emitter_usable(api):
    begun = threading.Event()
    ended = threading.Event()

    def hang(handler):
        begun.set()
        ended.wait(60)

    async def main():
        async with AsyncEmitter(api.url, "key", connections=1) as emitter:
            api.answers = [hang]
            task = asyncio.ensure_future(emitter.emit("contact.created", "org_1", JANE))
            await asyncio.get_running_loop().run_in_executor(None, begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await emitter.emit("contact.created", "org_1", JANE)

    assert asyncio.run(main()).id == "evt_1"
    ended.set()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out cert"
    subprocess.run(command.split(), cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return folder / "cert", folder / "key"


def test_certificates_are_verified(make, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    api = ScriptedApi(context)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    emitter = make(api.url, "key", context=trusted)
    emitter.emit("contact.created", "org_1", JANE)
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 1
    with pytest.raises(EmitError, match="cannot be trusted"):
        make(api.url, "key").emit("contact.created", "org_1", JANE)
    api.shutdown()
    api.server_close()


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
def test_an_address_that_is_none_is_an_error(make, url):
    with pytest.raises(ValueError, match="address"):
        make(url, "key")


@pytest.mark.parametrize("key", ["", "key\n", "schlüssel", " key"])
def test_a_key_that_is_none_is_an_error(make, key):
    with pytest.raises(ValueError, match="key"):
        make("https://example.com", key)

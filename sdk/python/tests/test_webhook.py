"""`Webhook`: what it takes, what it says, and real requests of a real server."""

import http.server
import json
import pickle
import queue
import subprocess
import threading
import time
from decimal import Decimal
from email.message import Message

import pytest

from winnerr_webhooks_sdk import Emitter, UnknownEvent, VerificationError, Webhook
from winnerr_webhooks_sdk.events import ContactCreated
from winnerr_webhooks_sdk.testing import sign

SECRET = "whsec_" + "A" * 43 + "="
OTHER = "another secret"


@pytest.mark.parametrize(
    "body", ["text", {"event": "contact.created"}, None], ids=["text", "parsed", "none"]
)
def test_a_body_that_is_not_the_raw_one_is_an_error_that_says_where_the_raw_one_is(body):
    with pytest.raises(TypeError, match=r"request\.body\(\).*Django.*Flask"):
        Webhook(SECRET).verify(body, {})


def test_a_body_may_be_any_kind_of_bytes():
    body, headers = sign("contact.created", SECRET)
    for kind in (bytes, bytearray, memoryview):
        assert Webhook(SECRET).verify(kind(body), headers).body == body


def test_headers_may_be_any_mapping_or_pairs():
    body, headers = sign("contact.created", SECRET)
    message = Message()
    for name, value in headers.items():
        message[name] = value
    for given in (
        headers,
        {name.upper(): value for name, value in headers.items()},
        {name: [value] for name, value in headers.items()},
        list(headers.items()),
        [(name.encode(), value.encode()) for name, value in headers.items()],
        iter(headers.items()),
        message,
    ):
        assert Webhook(SECRET).verify(body, given).type == "contact.created"


def test_what_the_headers_say_is_on_the_event():
    body, headers = sign(
        "contact.created", SECRET, event_id="evt_1", delivery_id="dlv_1", attempt=3, test=True,
        signed_at=time.time() - 10,
    )  # fmt: skip
    event = Webhook(SECRET).verify(body, headers)
    assert (event.id, event.delivery_id, event.test) == ("evt_1", "dlv_1", True)
    assert (event.headers.attempt, event.headers.webhook_id) == (3, "wh_test")
    assert 9 < time.time() - event.headers.signed_at.timestamp() < 60


def test_headers_that_are_not_understood_are_left_out():
    body, headers = sign("contact.created", SECRET)
    headers["X-Winnerr-Attempt"] = "many"
    del headers["X-Winnerr-Delivery"]
    event = Webhook(SECRET).verify(body, headers)
    assert (event.headers.attempt, event.delivery_id, event.test) == (None, None, False)


def test_numbers_can_be_had_exactly():
    payload = (
        b'{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_1",'
        b'"data":{"amount":1.10,"huge":1e400,"count":12345678901234567890}}'
    )
    event = Webhook(SECRET).verify(*sign(payload, SECRET))
    assert str(event.exact_data["amount"]) == "1.10"
    assert event.exact_data["huge"] == Decimal("1e400")
    assert event.exact_data["count"] == 12345678901234567890
    assert event.data.amount == 1.1


def test_during_a_rotation_either_secret_verifies():
    body, headers = sign("contact.created", OTHER, next_secret=SECRET)
    for secret in (OTHER, SECRET, [SECRET, OTHER]):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("secret", [None, 7, b"bytes, not text", [b"bytes, not text"]])
def test_a_secret_that_is_not_text_is_an_error(secret):
    with pytest.raises(TypeError):
        Webhook(secret)


@pytest.mark.parametrize("text", ["", "sha256=", "{hex}{base64}", "{HEX}"])
def test_a_signature_format_without_one_placeholder_is_an_error(text):
    with pytest.raises(ValueError, match="signature_format"):
        Webhook(SECRET, signature_format=text)


def test_a_negative_tolerance_is_an_error():
    with pytest.raises(ValueError, match="tolerance"):
        Webhook(SECRET, tolerance=-1)


@pytest.mark.parametrize(
    ("change", "reason", "advice"),
    [
        (lambda body, headers: (body + b" ", headers), "no_match", "raw"),
        (lambda body, headers: (body, {}), "missing_header", "have a secret"),
        (
            lambda body, headers: (body, {**headers, "webhook-timestamp": "now"}),
            "malformed_header",
            "whole seconds",
        ),
    ],
)
def test_a_refusal_says_what_to_do(change, reason, advice):
    with pytest.raises(VerificationError, match=advice) as refused:
        Webhook(SECRET).verify(*change(*sign("contact.created", SECRET)))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("offset", "reason", "words"), [(-3600, "too_old", "ago"), (3600, "too_new", "ahead")]
)
def test_a_refusal_for_its_time_says_by_how_much(offset, reason, words):
    body, headers = sign("contact.created", SECRET, signed_at=time.time() + offset)
    with pytest.raises(VerificationError, match=rf"3[56]\d\d s {words}.*clock") as refused:
        Webhook(SECRET).verify(body, headers)
    assert refused.value.reason == reason


def test_a_refusal_survives_pickling():
    error = pickle.loads(pickle.dumps(VerificationError("no_match", "It does not match.")))
    assert (error.reason, str(error)) == ("no_match", "It does not match.")


def test_an_unknown_event_type_cannot_be_signed_by_its_name():
    with pytest.raises(ValueError, match="whole payload"):
        sign("invoice.paid", SECRET)


# --- a real server ------------------------------------------------------------------------------


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps each request: its headers as they came, and its body."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = queue.Queue()
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.put((body, self.headers))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.shutdown()
    one.server_close()


@pytest.mark.parametrize("secret", ["a plain secret", "Schlüssel-鍵-🔑", None])
def test_what_the_server_sends_is_verified(service, receiver, secret):
    organization = f"org_{time.time_ns()}"
    base = f"/api/v1/organizations/{organization}/webhooks"
    wanted = {"secret": secret} if secret else {"generateSecret": True}
    made = service.call("POST", base, {"url": receiver.url, "events": ["*"], **wanted})
    secret = secret or made["secret"]
    data = b'{"id":"contact_xyz","name":"Zo\xc3\xab","n":1.10,"nickname":"J"}'
    with Emitter(service.url, service.key) as emitter:
        accepted = emitter.emit("contact.created", organization, data)
        event = Webhook(secret).verify(*receiver.requests.get(timeout=60))
        assert isinstance(event, ContactCreated)
        assert event.id == accepted.id
        assert event.organization_id == organization
        assert event.data.name == "Zoë"
        assert event.data.raw["nickname"] == "J"
        assert str(event.exact_data["n"]) == "1.10"
        assert event.headers.webhook_id == made["id"]
        assert event.headers.attempt == 1
        assert event.delivery_id.startswith("dlv_")
        with pytest.raises(VerificationError):
            Webhook(OTHER).verify(event.body, receiver_headers(event))

        rotated = service.call("PUT", f"{base}/{made['id']}/secret", {"overlapSeconds": 3600})
        emitter.emit("contact.created", organization, data)
        body, headers = receiver.requests.get(timeout=60)
        for known in (secret, rotated["secret"], [rotated["secret"], secret]):
            Webhook(known).verify(body, headers)
        own = [(n, v) for n, v in headers.items() if not n.lower().startswith("webhook-")]
        for known in (secret, rotated["secret"]):
            assert Webhook(known).verify(body, own).id is None
        with pytest.raises(VerificationError):
            Webhook(OTHER).verify(body, headers)


def test_a_request_of_before_a_rotation_verifies_with_both_secrets_and_is_named(
    service, receiver, tmp_path
):
    """It is signed with the old secret alone, and arrives while the overlap lasts."""
    organization = f"org_{time.time_ns()}"
    base = f"/api/v1/organizations/{organization}/webhooks"
    made = service.call(
        "POST", base, {"url": receiver.url, "events": ["*"], "generateSecret": True}
    )
    with Emitter(service.url, service.key) as emitter:
        emitter.emit("contact.created", organization, {"id": "contact_xyz"})
    body, headers = receiver.requests.get(timeout=60)
    old = made["secret"]
    new = service.call("PUT", f"{base}/{made['id']}/secret", {"overlapSeconds": 3600})["secret"]
    Webhook([new, old]).verify(body, headers)
    with pytest.raises(VerificationError) as refused:
        Webhook(new).verify(body, headers)
    assert refused.value.reason == "no_match"

    files = {"body": body, "headers": "\n".join(f"{n}: {v}" for n, v in headers.items()).encode()}
    for name, content in {**files, "new": new.encode(), "old": old.encode()}.items():
        (tmp_path / name).write_bytes(content)
    words = ("--body", "body", "--headers", "headers", "--json")
    secrets = ("--secret-file", "new", "--previous-secret-file", "old")
    found = subprocess.run(
        service.command("verify", *words, *secrets),
        env=service.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=False,  # 1: there is a mistake
    )
    assert [one["name"] for one in json.loads(found.stdout)["mistakes"]] == ["previous_secret"]


def receiver_headers(event):
    return sign(event.body, "a third secret").headers


def test_a_test_delivery_says_that_it_is_one(service, receiver):
    base = f"/api/v1/organizations/org_{time.time_ns()}/webhooks"
    fields = {"url": receiver.url, "events": ["*"], "secret": SECRET}
    made = service.call("POST", base, fields)
    service.call("POST", f"{base}/{made['id']}/test", {"event": "contact.created"})
    event = Webhook(SECRET).verify(*receiver.requests.get(timeout=60))
    assert event.test
    assert event.data.name == "Jane Smith"
    assert not isinstance(event, UnknownEvent)

"""The helpers for Starlette, FastAPI, Django and Flask read the raw body and answer well."""

import asyncio
import json

import pytest

from harness import configure_django
from winnerr_webhooks_sdk import Webhook
from winnerr_webhooks_sdk.events import ContactCreated
from winnerr_webhooks_sdk.testing import sign

SECRET = "whsec_" + "A" * 43 + "="
WEBHOOK = Webhook(SECRET)
GOOD = sign("contact.created", SECRET)
NON_ASCII = sign(
    {
        "event": "contact.created",
        "timestamp": "2025-01-15T14:23:00Z",
        "organizationId": "org_1",
        "data": {"name": "Zoë 木村"},
    },
    SECRET,
)
BAD = sign("contact.created", "another secret")
NO_EVENT = sign(b"[]", SECRET)


def post_to(app, body, headers):
    """Post to an ASGI application, the body in two parts; the status and the body it answers."""
    parts = [
        {"type": "http.request", "body": body[:20], "more_body": True},
        {"type": "http.request", "body": body[20:], "more_body": False},
    ]
    sent = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/hook",
        "raw_path": b"/hook",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
    }

    async def receive():
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], content.decode()


def fastapi_client():
    fastapi = pytest.importorskip("fastapi")
    from winnerr_webhooks_sdk import Event
    from winnerr_webhooks_sdk.starlette import verified_event

    app = fastapi.FastAPI()
    verified = fastapi.Depends(verified_event(WEBHOOK))

    @app.post("/hook")
    def receive(event: Event = verified):
        assert isinstance(event, ContactCreated)
        return event.data.name

    def post(body, headers):
        status, text = post_to(app, body, headers)
        return status, json.loads(text) if status == 200 else json.loads(text)["detail"]

    return post


def starlette_client():
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from winnerr_webhooks_sdk import PayloadError, VerificationError
    from winnerr_webhooks_sdk.starlette import verify

    async def receive(request):
        try:
            event = await verify(WEBHOOK, request)
        except VerificationError as error:
            return PlainTextResponse(str(error), 401)
        except PayloadError as error:
            return PlainTextResponse(str(error), 422)
        assert await request.body() == event.body
        return PlainTextResponse(event.data.name)

    app = Starlette(routes=[Route("/hook", receive, methods=["POST"])])
    return lambda body, headers: post_to(app, body, headers)


def flask_client():
    flask = pytest.importorskip("flask")
    from winnerr_webhooks_sdk.flask import receives

    app = flask.Flask(__name__)

    @app.post("/hook")
    @receives(WEBHOOK)
    def receive(event):
        assert flask.request.get_json()["event"] == event.type
        return event.data.name

    def post(body, headers):
        answer = app.test_client().post("/hook", data=body, headers=headers)
        return answer.status_code, answer.text

    return post


def django_client():
    settings = configure_django()
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path

    from winnerr_webhooks_sdk.django import receives

    @receives(WEBHOOK)
    def receive(request, event):
        return HttpResponse(event.data.name)

    urls = (path("hook", receive),)
    client = Client(enforce_csrf_checks=True)

    def post(body, headers):
        wsgi = {
            "HTTP_" + name.upper().replace("-", "_"): value
            for name, value in headers.items()
            if name != "Content-Type"
        }
        settings.ROOT_URLCONF = urls
        answer = client.generic("POST", "/hook", body, content_type="application/json", **wsgi)
        return answer.status_code, answer.content.decode()

    post.client = client
    post.receive = receive
    return post


CLIENTS = [fastapi_client, starlette_client, flask_client, django_client]


@pytest.fixture(params=CLIENTS, ids=lambda made: made.__name__[: -len("_client")])
def post(request):
    return request.param()


def test_a_good_request_reaches_the_view_as_its_own_event(post):
    assert post(*GOOD) == (200, "Jane Smith")


def test_letters_beyond_ascii_arrive(post):
    assert post(*NON_ASCII) == (200, "Zoë 木村")


def test_a_request_with_another_secret_is_answered_401_and_told_why(post):
    status, text = post(*BAD)
    assert status == 401
    assert "does not match" in text


def test_an_unsigned_request_is_answered_401(post):
    status, text = post(GOOD.body, {"Content-Type": "application/json"})
    assert status == 401
    assert "neither" in text


def test_a_signed_body_that_is_no_event_is_answered_422(post):
    status, text = post(*NO_EVENT)
    assert status == 422
    assert "not a JSON object" in text


def test_django_takes_post_only():
    post = django_client()
    post(*GOOD)
    assert post.client.get("/hook").status_code == 405


def test_django_says_so_when_the_body_was_read_before():
    configure_django()
    from django.test import RequestFactory

    from winnerr_webhooks_sdk.django import verify

    request = RequestFactory().post("/hook", GOOD.body, content_type="application/json")
    request.read()
    with pytest.raises(RuntimeError, match="raw body is gone"):
        verify(WEBHOOK, request)

"""Client credentials of OAuth 2.0: the request for a token, and what its answers mean."""

import base64
import json

import pytest

from winnerr_webhooks.domain.attempt import Exchange, Failure, Timings
from winnerr_webhooks.domain.credentials import OAuth2Auth
from winnerr_webhooks.domain.oauth2 import (
    DEFAULT_LIFETIME,
    MARGIN,
    MAX_TOKEN,
    TOKEN_TEXTS,
    IssuedToken,
    read_answer,
    token_request,
)
from winnerr_webhooks.domain.stored_texts import StoredTexts
from winnerr_webhooks.domain.text import Text

AUTH = OAuth2Auth("https://login.example:8443/token?tenant=1", "crm id", "a:b+c%", "read write")
GOOD = {"access_token": "abc", "token_type": "bearer"}


def answered(status: int, content: object, **fields) -> Exchange:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Exchange(
        started_at=0, duration_ms=1, timings=Timings(), status=status, response_body=body, **fields
    )


def test_the_request_is_that_of_the_rfc_with_encoded_credentials_and_scope():
    destination, head, body = token_request(AUTH, "Acme-Webhooks/1")
    assert (destination.host, destination.port) == ("login.example", 8443)
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /token?tenant=1 HTTP/1.1"
    encoded = base64.b64encode(b"crm+id:a%3Ab%2Bc%25").decode()
    assert f"Authorization: Basic {encoded}" in lines
    assert "Content-Type: application/x-www-form-urlencoded" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert body == b"grant_type=client_credentials&scope=read+write"


def test_without_a_scope_none_is_sent():
    no_scope = OAuth2Auth(AUTH.token_url, "id", "secret")
    assert token_request(no_scope, "x")[2] == b"grant_type=client_credentials"


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600 - MARGIN),
        ("3600", 3600 - MARGIN),
        (100, 90),
        (0, 0),
        (-5, 0),
        (None, DEFAULT_LIFETIME - MARGIN),
        ("soon", DEFAULT_LIFETIME - MARGIN),
        ([], DEFAULT_LIFETIME - MARGIN),
        (10**400, DEFAULT_LIFETIME - MARGIN),
        (1e300, 30 * 86_400 - MARGIN),
    ],
)
def test_a_token_is_used_until_shortly_before_it_expires(expires_in, seconds):
    content = json.dumps(GOOD | {"expires_in": expires_in}).encode()
    assert read_answer(answered(200, content)) == IssuedToken("abc", seconds)


def test_an_answer_may_leave_out_when_the_token_expires():
    assert read_answer(answered(200, GOOD)) == IssuedToken("abc", DEFAULT_LIFETIME - MARGIN)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        [],
        {"access_token": "abc"},
        GOOD | {"token_type": "mac"},
        GOOD | {"access_token": 1},
        GOOD | {"access_token": ""},
        GOOD | {"access_token": "a b"},
        GOOD | {"access_token": "a\r\nHost: b"},
        GOOD | {"access_token": "naïve"},
        GOOD | {"access_token": "x" * (MAX_TOKEN + 1)},
    ],
)
def test_an_answer_without_a_usable_token_is_a_failure(content):
    failure = read_answer(answered(200, content))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.code, failure.phase) == ("auth", "token_response", "token")


def test_a_token_that_may_be_cut_off_is_not_used():
    failure = read_answer(answered(200, GOOD, truncated=True))
    assert isinstance(failure, Failure)


@pytest.mark.parametrize(
    ("status", "content", "code", "message"),
    [
        (400, {"error": "invalid_client"}, "invalid_client", "answered 400 (invalid_client)."),
        (401, {"error": "invalid_client"}, "invalid_client", "answered 401 (invalid_client)."),
        (400, {"error": "slow_down"}, "token_status", "answered 400 (slow_down)."),
        (400, {"error": "<b>s3cret</b>"}, "token_status", "answered 400."),
        (302, b"", "token_status", "answered 302."),
        (503, b"{}", "token_status", "answered 503."),
    ],
)
def test_a_refusal_is_told_with_its_status_and_error(status, content, code, message):
    failure = read_answer(answered(status, content))
    assert isinstance(failure, Failure)
    assert failure.code == code
    assert failure.message == f"The token endpoint {message}"


@pytest.mark.parametrize(
    "kind", ["dns", "blocked", "connect", "tls", "timeout", "reset", "protocol"]
)
def test_a_failure_of_the_network_is_that_of_the_token_endpoint(kind):
    cause = Failure(kind=kind, message="The receiver …", phase="connect", code="x")
    failure = read_answer(Exchange(started_at=0, duration_ms=1, timings=Timings(), failure=cause))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.code) == ("auth", f"token_{kind}")
    assert "token endpoint" in failure.message


def test_messages_are_recognized_for_their_translation():
    stored = StoredTexts(TOKEN_TEXTS)
    for content in ({"error": "invalid_client"}, {}):
        failure = read_answer(answered(400, content))
        assert isinstance(failure, Failure)
        found = stored.recognize(failure.message)
        assert isinstance(found, Text)
        assert str(found) == failure.message
        assert found.values["status"] == "400"


def test_nothing_secret_is_in_a_repr():
    assert "a:b" not in repr(AUTH)
    assert "abc" not in repr(IssuedToken("abc", 1))

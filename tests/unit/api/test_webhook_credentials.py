"""Headers and authentication of webhooks in the REST API: checked, kept and never shown."""

import json
import re
from pathlib import Path

from tests.certificates import Authority

DRAFT = {"url": "http://127.0.0.1:9/hook", "events": ["deal.closed_won", "contact.created"]}


async def test_the_examples_of_authentication_are_accepted(api):
    """They stand in docs/how-to/authenticate-to-your-receiver.md."""
    text = (Path(__file__).parents[3] / "docs/how-to/authenticate-to-your-receiver.md").read_text()
    examples = re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for example in map(json.loads, examples):
        made = await api.webhook(**example)
        assert made["auth"] == {"type": example["auth"]["type"]}


async def test_headers_and_authentication_are_never_given_back(api):
    auth = {"type": "basic", "username": "crm", "password": "pa ss"}
    made = await api.webhook(headers={"X-Tenant": "acme"}, auth=auth)
    assert (made["headers"], made["auth"]) == ({"X-Tenant": "•••"}, {"type": "basic"})
    path = f"~/webhooks/{made['id']}"
    assert await api.ok("GET", path) == made
    kept = await api.ok("PATCH", path, {"headers": made["headers"] | {"X-New": "n"}})
    assert kept["headers"] == {"X-Tenant": "•••", "X-New": "•••"}
    assert kept["auth"] == {"type": "basic"}
    status, answer = await api.call("PATCH", path, {"url": "http://127.0.0.2:9/hook"})
    assert (status, answer["errors"][0]["pointer"]) == (422, "/url")
    none = await api.ok(
        "PATCH", path, {"url": "http://127.0.0.2:9/hook", "headers": None, "auth": None}
    )
    assert (none["headers"], none["auth"]) == ({}, None)


async def test_a_token_url_that_does_not_resolve_is_saved(api):
    auth = {
        "type": "oauth2",
        "tokenUrl": "https://no-such-name.invalid/token",
        "clientId": "crm",
        "clientSecret": "s3cret",
        "scope": "events.write",
    }
    made = await api.webhook(auth=auth)
    assert made["auth"] == {"type": "oauth2"}
    changed = await api.ok("PATCH", f"~/webhooks/{made['id']}", {"auth": auth | {"scope": "x"}})
    assert changed["auth"] == {"type": "oauth2"}
    status, answer = await api.call(
        "PATCH", f"~/webhooks/{made['id']}", {"auth": auth | {"tokenUrl": "https://10.1.1.1/"}}
    )
    assert (status, answer["errors"][0]["pointer"]) == (422, "/auth/tokenUrl")


async def test_a_client_certificate_needs_https_and_its_own_key(api, tmp_path):
    authority = Authority(tmp_path)
    alice, bob = authority.issue("alice"), authority.issue("bob")
    https = {"url": "https://127.0.0.1:9/hook"}
    made = await api.webhook(auth=alice.auth, headers={"Authorization": "x"}, **https)
    assert made["auth"] == {"type": "mtls"}
    path = f"~/webhooks/{made['id']}"
    swapped = alice.auth | {"privateKey": bob.key}
    plain = await api.webhook()
    for wrong, pointer, call in (
        ({"auth": swapped}, "/auth/privateKey", ("PATCH", path)),
        (https | {"auth": swapped}, "/auth/privateKey", ("POST", "~/webhooks")),
        ({"auth": alice.auth}, "/auth/type", ("POST", "~/webhooks")),
        ({"auth": alice.auth}, "/auth/type", ("PATCH", f"~/webhooks/{plain['id']}")),
        ({"url": DRAFT["url"], "auth": alice.auth}, "/auth/type", ("PATCH", path)),
    ):
        draft = DRAFT | wrong if call[0] == "POST" else wrong
        if call[0] == "PATCH" and "url" in wrong:
            draft = draft | {"headers": None}
        status, answer = await api.call(*call, draft)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
        assert bob.key.splitlines()[1] not in str(answer)


async def test_wrong_headers_and_credentials_are_refused_with_their_places(api):
    basic = {"type": "basic", "username": "u", "password": "p"}
    oauth2 = {
        "type": "oauth2",
        "tokenUrl": "http://127.0.0.1:9/token",
        "clientId": "crm",
        "clientSecret": "s3cret",
    }
    for wrong, pointer in (
        ({"headers": {"X-A": "1", "x-a": "2"}}, "/headers/x-a"),
        ({"headers": {f"X-{n}": "v" for n in range(21)}}, "/headers"),
        ({"headers": {"X-A": 1}}, "/headers"),
        ({"headers": {"X A": "v"}}, "/headers/X A"),
        ({"headers": {"": "v"}}, "/headers/"),
        ({"headers": {"X-A": "a\r\nHost: b"}}, "/headers/X-A"),
        ({"headers": {"X-A": "naïve"}}, "/headers/X-A"),
        ({"headers": {"X-A": " v"}}, "/headers/X-A"),
        ({"headers": {"X-A": ""}}, "/headers/X-A"),
        ({"headers": {"X-A": "v" * 4_097}}, "/headers/X-A"),
        ({"headers": {"X-A": "•••"}}, "/headers/X-A"),
        ({"headers": {"hOsT": "v"}}, "/headers/hOsT"),
        ({"headers": {"Content-Length": "1"}}, "/headers/Content-Length"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "/headers/Transfer-Encoding"),
        ({"headers": {"Keep-Alive": "1"}}, "/headers/Keep-Alive"),
        ({"headers": {"x-winnerr-event": "v"}}, "/headers/x-winnerr-event"),
        ({"headers": {"X-Winnerr-Else": "v"}}, "/headers/X-Winnerr-Else"),
        ({"headers": {"webhook-else": "v"}}, "/headers/webhook-else"),
        ({"headers": {"Authorization": "v"}, "auth": basic}, "/headers/Authorization"),
        ({"auth": {"type": "digest"}}, "/auth/type"),
        ({"auth": {"username": "u"}}, "/auth/type"),
        ({"auth": {"type": "basic", "username": "u"}}, "/auth/password"),
        ({"auth": basic | {"token": "t"}}, "/auth/token"),
        ({"auth": basic | {"username": "a:b"}}, "/auth/username"),
        ({"auth": basic | {"password": "a\nb"}}, "/auth/password"),
        ({"auth": {"type": "bearer", "token": "a b"}}, "/auth/token"),
        ({"auth": {"type": "bearer", "token": ""}}, "/auth/token"),
        ({"auth": "basic"}, "/auth"),
        ({"auth": oauth2 | {"tokenUrl": "https://10.0.0.1/token"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": "https://169.254.169.254/"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": "ftp://login.example/"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": "https://a:b@login.example/"}}, "/auth/tokenUrl"),
        ({"auth": oauth2 | {"tokenUrl": ""}}, "/auth/tokenUrl"),
        ({"auth": {k: v for k, v in oauth2.items() if k != "tokenUrl"}}, "/auth/tokenUrl"),
        ({"auth": {k: v for k, v in oauth2.items() if k != "clientId"}}, "/auth/clientId"),
        ({"auth": oauth2 | {"clientId": "naïve"}}, "/auth/clientId"),
        ({"auth": oauth2 | {"clientSecret": ""}}, "/auth/clientSecret"),
        ({"auth": oauth2 | {"clientSecret": "a\nb"}}, "/auth/clientSecret"),
        ({"auth": oauth2 | {"scope": 'a "b"'}}, "/auth/scope"),
        ({"auth": oauth2 | {"scope": "a  b"}}, "/auth/scope"),
        ({"auth": oauth2 | {"token": "t"}}, "/auth/token"),
        ({"auth": basic | {"scope": "a"}}, "/auth/scope"),
        ({"auth": {"type": "mtls", "certificate": "x"}}, "/auth/privateKey"),
        ({"auth": {"type": "mtls", "privateKey": "x"}}, "/auth/certificate"),
        ({"auth": {"type": "mtls", "certificate": "x", "privateKey": "x"}}, "/auth/certificate"),
        ({"auth": oauth2 | {"certificate": "x"}}, "/auth/certificate"),
        ({"auth": oauth2, "headers": {"Authorization": "v"}}, "/headers/Authorization"),
    ):
        status, answer = await api.call("POST", "~/webhooks", DRAFT | wrong)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
    _, answer = await api.call("POST", "~/webhooks", DRAFT | {"auth": basic | {"usernam": "u"}})
    assert "did you mean `username`" in answer["detail"]
    assert (await api.webhook(headers={"Authorization": "Own x", "Cookie": "a=b"}))["headers"]

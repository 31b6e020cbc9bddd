"""Credentials: what a request carries, what is shown of it, and where it may go."""

import pytest

from winnerr_webhooks.domain.credentials import (
    NO_CREDENTIALS,
    BasicAuth,
    BearerAuth,
    Credentials,
    masked_value,
    same_origin,
)
from winnerr_webhooks.domain.webhook import ACTIVE, Target

BOTH = Credentials({"X-Tenant": "acme"}, BasicAuth("Zoë", "p:ss"))


def test_authentication_is_a_header_like_the_others():
    assert BOTH.lines() == [("Authorization", "Basic Wm/DqzpwOnNz"), ("X-Tenant", "acme")]
    assert Credentials(auth=BearerAuth("t")).lines() == [("Authorization", "Bearer t")]
    assert not NO_CREDENTIALS
    assert NO_CREDENTIALS.lines() == []


def test_nothing_secret_is_in_a_repr():
    for value in (BOTH, BOTH.auth, BearerAuth("t0ken")):
        assert not {"acme", "p:ss", "t0ken"} & set(repr(value).split("'"))


def test_the_scheme_of_an_authorization_stays_readable():
    assert masked_value("Bearer t") == "Bearer •••"
    assert masked_value("Basic abc") == "Basic •••"
    assert masked_value("a secret of mine") == "•••"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://a.example/other?x=1", True),
        ("https://A.example:443/", True),
        ("https://a.example:8443/", False),
        ("http://a.example/", False),
        ("https://b.example/", False),
        ("https://sub.a.example/", False),
    ],
)
def test_credentials_go_to_their_own_origin_only(url, same):
    target = Target(
        webhook_id="wh_1",
        organization="org_1",
        version=1,
        url="https://a.example/hook",
        status=ACTIVE,
        secret="a secret",
        credentials=BOTH,
    )
    moved = target.at(url)
    assert same_origin(target.url, url) is same
    assert (moved.url, moved.secret) == (url, "a secret")
    assert moved.credentials == (BOTH if same else NO_CREDENTIALS)

"""What a product says about the page of a sign-in link is checked before it is stored."""

import pytest

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.management.page_options import check_page_options, is_allowed_origin

ANCESTORS = ("http://localhost:3000", "https://*.globex.example", "https://crm.example:8443")


def check(**given):
    checks = FieldChecks()
    options = check_page_options(checks, ANCESTORS, **given)
    checks.done()
    return options


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/settings/webhooks", ""),
        ("/settings/webhooks/", "/"),
        ("/settings/webhooks?done=deleted", "?done=deleted"),
        ("/settings/webhooks/logs?q=%C3%A9", "/logs?q=%C3%A9"),
        ("/settings/webhooks/@org_2/logs", "/logs"),
        ("/settings/webhooks/@org_2?a=1", "?a=1"),
    ],
)
def test_a_path_is_at_or_below_the_page(path, rest):
    assert check(path=path).path == rest


@pytest.mark.parametrize(
    "path",
    [
        "", "/logs", "logs", "//evil.example/settings/webhooks", "https://evil.example",
        "/settings/webhooksevil", "/settings/webhooks/../../api", "/settings/webhooks/%2e%2E/x",
        "/settings/webhooks\\evil", "/settings/webhooks/a b", "/settings/webhooks\r\nX: 1",
        "/settings/webhooks/é", "/settings/webhooks#x", "/settings/webhooks/" + "a" * 2048,
    ],
)  # fmt: skip
def test_a_path_elsewhere_is_refused(path):
    with pytest.raises(Invalid) as refused:
        check(path=path)
    assert refused.value.errors[0].pointer == "/path"


@pytest.mark.parametrize(
    "url",
    ["https://any.example/a?b=c#d", "http://localhost:3000/settings", "https://a.globex.example"],
)
def test_the_way_back_is_https_or_of_an_embedding_origin(url):
    assert check(return_url=url).return_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example", "http://localhost", "http://localhost:3001", "javascript:alert(1)",
        "//a.example", "/settings", "https://", "https://user@a.example", "https://a.example:x",
        "https://a.example/\r\n", "data:text/html,x", "https://[::1", "",
    ],
)  # fmt: skip
def test_a_way_back_elsewhere_is_refused(url):
    with pytest.raises(Invalid) as refused:
        check(return_url=url)
    assert refused.value.errors[0].pointer == "/returnUrl"


@pytest.mark.parametrize(
    "tag", ["en", "pt-BR", "zh-Hant-TW", "de-CH-1996", "sl-rozaj-biske", "en-u-ca-gregory", "x" * 5]
)
def test_a_language_is_a_well_formed_tag(tag):
    assert check(language=tag).language == tag


@pytest.mark.parametrize("tag", ["", "e", "en_US", "en-", "de--CH", "日本", "en-" + "a" * 40])
def test_another_language_is_refused(tag):
    with pytest.raises(Invalid) as refused:
        check(language=tag)
    assert refused.value.errors[0].pointer == "/language"


def test_all_errors_are_reported_together():
    with pytest.raises(Invalid) as refused:
        check(path="x", return_url="x", language="-", organization_name="a\n" * 100)
    pointers = [one.pointer for one in refused.value.errors]
    assert pointers == ["/path", "/returnUrl", "/language", "/organizationName"]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.globex.example", True),
        ("https://globex.example", False),
        ("https://evilglobex.example", False),
        ("http://a.globex.example", False),
        ("https://crm.example:8443", True),
        ("https://crm.example", False),
        ("https://a.globex.example:443", True),
        ("http://localhost:3000", True),
        ("http://localhost", False),
    ],
)
def test_origins_are_matched_as_frame_ancestors_are(origin, allowed):
    assert is_allowed_origin(origin, ANCESTORS) is allowed

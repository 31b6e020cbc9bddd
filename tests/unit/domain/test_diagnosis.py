"""The diagnosis of a failed attempt for people."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.answer_texts import Diagnosis
from winnerr_webhooks.domain.attempt import ERROR_KINDS, PHASES
from winnerr_webhooks.domain.diagnosis import diagnose

URL = "https://hooks.example.com/in/crm?x=1"
CODES = {
    "dns": ("nxdomain", "no_addresses", "dns_timeout", "dns_failed"),
    "blocked": ("blocked_address", "blocked_port", "blocked_scheme"),
    "connect": ("refused", "unreachable", "connect_failed"),
    "tls": (
        "expired",
        "not_yet_valid",
        "self_signed",
        "wrong_host",
        "unknown_ca",
        "tls_failed",
        "not_tls",
        "certificate_required",
        "certificate_refused",
    ),
    "timeout": tuple(f"{phase}_timeout" for phase in PHASES),
    "reset": ("closed_early", "reset"),
    "protocol": (
        "bad_status_line",
        "bad_header",
        "headers_too_large",
        "too_many_headers",
        "content_length_conflict",
        "bad_content_length",
        "bad_chunk",
        "unexpected_upgrade",
    ),
    "auth": (
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_request",
        "token_status",
        "token_response",
        "token_dns",
        "token_blocked",
        "token_connect",
        "token_tls",
        "token_timeout",
        "token_reset",
        "token_protocol",
        "",
    ),
}
EVERY_CODE = tuple(itertools.chain.from_iterable(CODES.values()))
HTML = b"Content-Type: text/html; charset=UTF-8\r\n"


def of_failure(kind: str, code: str = "", phase: str = "wait", **given) -> Diagnosis:
    given = {"status": None, "response_head": b"", "response_body": b"", "url": URL} | given
    return diagnose(kind=kind, code=code, phase=phase, **given)


def of_status(status: int, head: bytes = b"", body: bytes = b"", url: str = URL) -> Diagnosis:
    return diagnose(
        kind="status",
        code="",
        phase="",
        status=status,
        response_head=head,
        response_body=body,
        url=url,
    )


def assert_readable(diagnosis: Diagnosis) -> None:
    assert diagnosis.summary.endswith(".")
    assert diagnosis.summary.count(". ") == 0, "one sentence"
    assert diagnosis.hint
    for text in (diagnosis.summary, diagnosis.hint):
        assert text.isprintable()
        assert "{" not in text


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_every_kind_with_every_code_in_every_phase_has_a_sentence_and_a_hint(kind):
    for code, phase in itertools.product((*EVERY_CODE, "", "unheard_of"), (*PHASES, "")):
        for timeout in (None, 10.0):
            assert_readable(of_failure(kind, code, phase, timeout=timeout))


@pytest.mark.parametrize("kind", CODES)
def test_each_code_of_a_kind_has_its_own_text(kind):
    phases = {code: code.removesuffix("_timeout") for code in CODES["timeout"]}
    told = {of_failure(kind, code, phases.get(code, "wait")).summary for code in CODES[kind]}
    assert len(told) == len(CODES[kind])


@pytest.mark.parametrize(
    ("kind", "code", "phase", "says"),
    [
        ("dns", "nxdomain", "dns", "hooks.example.com"),
        ("dns", "dns_timeout", "dns", "name servers"),
        ("blocked", "blocked_address", "connect", "public internet"),
        ("blocked", "blocked_port", "connect", "443"),
        ("connect", "refused", "connect", "is running"),
        ("tls", "expired", "tls", "Renew"),
        ("tls", "self_signed", "tls", "certificate authority"),
        ("tls", "wrong_host", "tls", "not for hooks.example.com"),
        ("tls", "unknown_ca", "tls", "intermediate"),
        ("tls", "tls_failed", "wait", "TLS 1.2"),
        ("tls", "certificate_required", "wait", "Give the webhook a client certificate"),
        ("tls", "certificate_refused", "wait", "which authorities are trusted"),
        ("timeout", "wait_timeout", "wait", "Answer first, work later"),
        ("timeout", "wait_timeout", "", "Answer first, work later"),
        ("timeout", "connect_timeout", "connect", "firewall"),
        ("reset", "closed_early", "wait", "without answering"),
        ("reset", "reset", "body", "middle of its answer"),
        ("protocol", "headers_too_large", "wait", "32 KiB"),
        ("auth", "invalid_client", "token", "Give both again"),
        ("auth", "token_blocked", "token", "anyone on the internet"),
    ],
)
def test_a_failure_is_explained_with_what_to_do(kind, code, phase, says):
    found = of_failure(kind, code, phase)
    assert says in f"{found.summary} {found.hint}"


def test_a_timeout_names_the_limit_when_it_is_known():
    assert "within 10 seconds" in of_failure("timeout", phase="wait", timeout=10.0).summary
    assert "within 2.5 seconds" in of_failure("timeout", phase="wait", timeout=2.5).summary
    assert "in time" in of_failure("timeout", phase="wait").summary


@pytest.mark.parametrize("url", ["", "https://", "https://[::1", "https://{host}/", "/x"])
def test_an_unusual_url_does_not_break_the_sentence(url):
    assert of_failure("dns", "nxdomain", "dns", url=url).summary.startswith("There is no host")


@pytest.mark.parametrize(
    "reason", [b"No required SSL certificate was sent", b"The SSL certificate error"]
)
def test_a_400_of_nginx_about_the_client_certificate_is_explained(reason):
    body = b"<html><center><h1>400 Bad Request</h1></center><center>%b</center>" % reason
    assert "client certificate" in of_status(400, HTML, body).summary
    assert "client certificate" not in of_status(500, HTML, body).summary


def test_every_status_has_a_sentence_that_names_it_and_a_hint():
    for status in range(100, 1000):
        found = of_status(status)
        assert_readable(found)
        assert str(status) in found.summary


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (202, "only 200 counts"),
        (304, "nothing has changed"),
        (401, "Does the receiver check the signature over the raw body?"),
        (403, "Does the receiver check the signature over the raw body?"),
        (404, "Check the path"),
        (405, "accept POST"),
        (408, "too long"),
        (410, "activate the webhook again"),
        (413, "too large"),
        (415, "application/json"),
        (422, "content"),
        (429, "fewer events"),
        (418, "rejected the request (418)"),
        (500, "receiver's log"),
        (503, "overloaded"),
        (504, "Answer first, work later"),
        (599, "receiver failed (599)"),
    ],
)
def test_a_status_is_explained_with_what_to_do(status, says):
    found = of_status(status)
    assert says in f"{found.summary} {found.hint}"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("https://new.example.com/hook", "https://new.example.com/hook"),
        ("//new.example.com/hook", "https://new.example.com/hook"),
        ("/in/crm/", "https://hooks.example.com/in/crm/"),
        ("crm2", "https://hooks.example.com/in/crm2"),
        ("../v2?a=b#top", "https://hooks.example.com/v2?a=b"),
        ("?x=2", "https://hooks.example.com/in/crm?x=2"),
        ("https://new.example.com/{host}", "https://new.example.com/{host}"),
        ("/login-events", "https://hooks.example.com/login-events"),
    ],
)
def test_a_redirect_names_the_url_to_use_instead(status, location, absolute):
    head = f"Server: x\r\nLOCATION:  {location} \r\nX: y\r\n".encode()
    assert of_status(status, head).hint == f"Use this URL instead: {absolute}"


@pytest.mark.parametrize(
    "location",
    [
        b"",
        b"https://[::1",
        b"https://x:99999/",
        b"https://x:zero/",
        b"https://user:password@x.example/",
        b"javascript:alert(1)",
        b"mailto:a@b.example",
        b"https://x.example/a b",
        b"https://x.example/\x1b[31m",
        b"/" + b"x" * 3000,
    ],
)
def test_a_redirect_without_a_usable_location_says_so(location):
    found = of_status(302, b"Location: " + location + b"\r\n")
    assert "not to a usable URL" in found.summary
    assert "redirects are not followed" in found.hint


def test_a_redirect_to_the_same_url_is_not_recommended():
    assert "same URL" in of_status(302, f"Location: {URL}#again".encode()).summary


@pytest.mark.parametrize(
    "path", ["/login", "/users/sign_in", "/wp-login.php?x", "/Sign-In/", "/sso"]
)
def test_a_redirect_to_a_sign_in_page_is_recognized(path):
    assert "sign-in page" in of_status(302, f"Location: {path}".encode()).summary


def test_a_redirect_to_plain_http_is_not_recommended():
    found = of_status(301, b"Location: http://hooks.example.com/in/crm\r\n")
    assert "plain http" in found.summary
    assert "https" in found.hint


@pytest.mark.parametrize("status", [200, 202, 401, 403, 429, 503])
@pytest.mark.parametrize(
    "body", [b"<title>Just a moment...</title>", b"<div class='g-ReCaptcha'>", b"/cdn-cgi/CF-CHL-x"]
)
def test_a_bot_challenge_is_distinguished_from_an_answer_of_the_receiver(status, body):
    found = of_status(status, HTML, b"<!doctype html>" + body)
    assert "keep robots out" in found.summary
    assert "let POST requests to this URL through" in found.hint


def test_a_bot_challenge_is_recognized_by_its_header_alone():
    assert "keep robots out" in of_status(403, b"cf-mitigated: challenge\r\n").summary


def test_words_of_a_bot_challenge_in_json_or_another_page_are_not_a_challenge():
    assert "robots" not in of_status(403, b"Content-Type: application/json", b"captcha").summary
    assert "robots" not in of_status(404, HTML, b"captcha").summary
    assert "robots" not in of_status(403, HTML, b"<h1>Forbidden</h1>").summary


@given(
    status=st.integers(100, 999),
    lines=st.lists(
        st.tuples(
            st.sampled_from([b"Location", b"location ", b"Content-Type", b"cf-mitigated", b""]),
            st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8")),
        ),
        max_size=4,
    ),
    body=st.binary(max_size=100),
    url=st.sampled_from([URL, "http://127.0.0.1:9000/x", "https://[::1]/", "nonsense", ""])
    | st.text(max_size=30),
)
def test_anything_a_receiver_sends_gives_a_whole_sentence(status, lines, body, url):
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    found = of_status(status, head, body, url)
    for text in (found.summary, found.hint):
        assert text
        assert text.isprintable()
        assert len(text) < 5000


@given(prefix=st.sampled_from([b"", b"https://", b"//", b"http://["]), rest=st.binary(max_size=80))
def test_a_redirect_location_is_either_a_usable_url_or_not_shown(prefix, rest):
    hint = of_status(302, b"Location: " + prefix + rest + b"\r\n").hint
    assert hint.isprintable()
    _, named, location = hint.partition("Use this URL instead: ")
    assert not named or location.startswith("https://")


def test_a_connection_that_failed_for_an_unknown_reason_is_not_blamed_on_the_receiver():
    """Old log entries have this code for attempts that failed because of a local shortage."""
    said = diagnose(
        kind="connect", code="connect_failed", phase="connect", status=None,
        response_head=b"", response_body=b"", url=URL,
    )  # fmt: skip
    assert "receiver is running" not in said.hint
    assert "firewall" not in said.hint

"""Diagnoses a failed attempt for people: what is wrong, and what to do about it."""

import re
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

from winnerr_webhooks.domain.answer_texts import (
    BOT_CHALLENGE,
    NO_CLIENT_CERTIFICATE,
    REDIRECT_SUMMARY,
    REDIRECT_TO_HTTP,
    REDIRECT_TO_ITSELF,
    REDIRECT_TO_SIGN_IN,
    REDIRECT_WITHOUT_URL,
    STATUS_CLASSES,
    STATUSES,
    UNUSUAL_STATUS,
    Diagnosis,
)
from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.failure_texts import FAILURES, UNKNOWN
from winnerr_webhooks.domain.text import Text


def diagnose(
    *,
    kind: str,
    code: str,
    phase: str,
    status: int | None,
    response_head: bytes,
    response_body: bytes,
    url: str,
    timeout: float | None = None,
) -> Diagnosis:
    """Say what went wrong in a failed attempt. Never raises, whatever the receiver sent.

    `kind`, `code` and `phase` are those of `domain.attempt.Failure`, or `kind` is `status` and
    `status` is set. `response_head` has `name: value` lines. Of the body, the first KiB is enough.
    `timeout` is the time limit of a whole attempt in seconds.
    """
    if kind == "status" and status is not None:
        return _diagnose_status(status, response_head, response_body, url)
    keys = (phase, code, code.removesuffix("_timeout"), "")
    found = next((FAILURES[kind, key] for key in keys if (kind, key) in FAILURES), UNKNOWN)
    host = _host(url)
    limit = _IN_TIME if timeout is None else _within(timeout)
    return Diagnosis(
        found.summary.fill(host=host, limit=limit), found.hint.fill(host=host, limit=limit)
    )


def diagnosis_of(attempt: LoggedAttempt, timeout: float) -> Diagnosis | None:
    """What is wrong with an attempt and what to do; None for a success.

    `timeout` is the node's, in seconds, for attempts that do not have their own.
    """
    if attempt.error_kind is None:
        return None
    return diagnose(
        kind=attempt.error_kind,
        code=attempt.error_code,
        phase=attempt.error_phase,
        status=attempt.status,
        response_head=attempt.response_head,
        response_body=attempt.response_body,
        url=attempt.url,
        timeout=attempt.time_limit or timeout,
    )


_IN_TIME: Final = Text("in time")
_UNREADABLE_HOST: Final = Text("the URL's host")


def _within(seconds: float) -> Text:
    if seconds == 1:
        return Text("within 1 second")
    return Text("within {seconds:g} seconds", seconds=seconds)


_CHALLENGE_MARKERS: Final = re.compile(
    rb"(?i)just a moment|captcha|cf-chl|challenge-platform|checking (?:if|your browser)|"
    rb"attention required|verify(?:ing)? (?:that )?you are (?:a )?human|ddos.protection|"
    rb"_incapsula_|enable javascript and cookies"
)
_CHALLENGE_STATUSES: Final = frozenset((401, 403, 405, 406, 429, 503))
_BAD_REQUEST: Final = 400
_CERTIFICATE_MARKERS: Final = re.compile(
    rb"(?i)no required ssl certificate was sent|the ssl certificate error"
)
"""How nginx answers instead of ending the handshake."""
_SEARCHED: Final = 4096
"""How many bytes of the body are searched; the markers are in the page's head."""

_SIGN_IN_PATH: Final = re.compile(r"(?i)/(?:\w+[-_])?(?:log[-_]?in|sign[-_]?in|sso)(?=[/.]|$)")
_MAX_URL: Final = 2048
"""A longer `Location` is not repeated in a hint."""


def _diagnose_status(status: int, head: bytes, body: bytes, url: str) -> Diagnosis:
    group = status // 100
    if _is_challenge(status, head, body):
        found = BOT_CHALLENGE
    elif status == _BAD_REQUEST and _CERTIFICATE_MARKERS.search(body, 0, _SEARCHED):
        found = NO_CLIENT_CERTIFICATE
    elif status in STATUSES:
        return STATUSES[status]
    elif group == 3:  # noqa: PLR2004  RFC 9110, section 15.4
        found = _redirect(_location(head, url), url)
    else:
        found = STATUS_CLASSES.get(group, UNUSUAL_STATUS)
    return Diagnosis(found.summary.fill(status=status), found.hint)


def _redirect(location: str | None, url: str) -> Diagnosis:
    if location is None:
        return REDIRECT_WITHOUT_URL
    if location == urldefrag(url).url:
        return REDIRECT_TO_ITSELF
    parts = urlsplit(location)
    if _SIGN_IN_PATH.search(parts.path):
        return REDIRECT_TO_SIGN_IN
    if parts.scheme == "http" and urlsplit(url).scheme == "https":
        return REDIRECT_TO_HTTP
    return Diagnosis(REDIRECT_SUMMARY, Text("Use this URL instead: {url}", url=location))


def _location(head: bytes, url: str) -> str | None:
    """Return the absolute URL of a redirect (RFC 9110, section 10.2.2); None if it has none."""
    text = _header(head, b"location").decode("utf-8", "replace")
    if not text or len(text) > _MAX_URL or not text.isprintable() or " " in text:
        return None
    try:
        location = urldefrag(urljoin(url, text)).url
        parts = urlsplit(location)
        whole = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # such as an IPv6 address without its closing bracket
        return None
    return location if whole and parts.scheme in {"http", "https"} else None


def _is_challenge(status: int, head: bytes, body: bytes) -> bool:
    """Whether a bot protection answered with its HTML page instead of the receiver."""
    if _header(head, b"cf-mitigated").lower() == b"challenge":
        return True
    if status not in _CHALLENGE_STATUSES and status // 100 != 2:  # noqa: PLR2004  2xx
        return False
    if not _header(head, b"content-type").lower().startswith(b"text/html"):
        return False
    return _CHALLENGE_MARKERS.search(body, 0, _SEARCHED) is not None


def _header(head: bytes, name: bytes) -> bytes:
    """Return the first value of a header; empty if there is none."""
    for line in head.split(b"\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() == name:
            return value.strip()
    return b""


def _host(url: str) -> str:
    """Return the host as the customer wrote it, for use in a sentence."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return host if host and host.isprintable() else _UNREADABLE_HOST

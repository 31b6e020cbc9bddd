"""Diagnosis: from what a failed attempt left behind to what is wrong and what to do about it."""

import re
from typing import Final
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec


class Diagnosis(msgspec.Struct, frozen=True, gc=False):
    """What a person is told of a failed attempt; never a resolved address."""

    summary: str
    """One sentence: what is wrong."""
    hint: str
    """What to do about it."""


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
    """What went wrong in a failed attempt, for people.

    `kind`, `code` and `phase` as in `domain.attempt.Failure`, or kind `status` with a `status`.
    The answer's head is `name: value` lines; of the body the first KiB is enough. `timeout` is
    the limit of a whole attempt in seconds. Nothing a receiver can send raises.
    """
    if kind == "status" and status is not None:
        return _of_status(status, response_head, response_body, url)
    keys = (phase, code, code.removesuffix("_timeout"), "")
    found = next((_FAILURES[kind, key] for key in keys if (kind, key) in _FAILURES), _UNKNOWN)
    host = _host(url)
    limit = "in time" if timeout is None else f"within {timeout:g} seconds"
    return Diagnosis(
        found.summary.format(host=host, limit=limit), found.hint.format(host=host, limit=limit)
    )


_UNKNOWN: Final = Diagnosis(
    "The exchange ended without an answer.",
    "Check that the receiver is running, then replay the delivery.",
)

# `{host}` is the URL's host as the customer wrote it, `{limit}` e.g. "within 10 seconds".
_FAILURES: Final[dict[tuple[str, str], Diagnosis]] = {
    ("dns", "nxdomain"): Diagnosis(
        "There is no host named {host}.",
        "Check the URL for a typing error; if the name is new, wait until its DNS entry is public.",
    ),
    ("dns", "no_addresses"): Diagnosis(
        "The name {host} exists, but it has no address.",
        "Add an A or AAAA entry for it at your DNS provider, or use another host in the URL.",
    ),
    ("dns", "dns_timeout"): Diagnosis(
        "Looking up {host} took too long: its name servers did not answer.",
        "Check with your DNS provider that the name servers of this domain are up.",
    ),
    ("dns", ""): Diagnosis(
        "The name servers could not answer for {host}.",
        "Check the DNS settings of this domain with your DNS provider.",
    ),
    ("blocked", "blocked_address"): Diagnosis(
        "The host is not on the public internet, so nothing was sent.",
        "Use a host that anyone on the internet can reach; for your own computer, use a tunnel.",
    ),
    ("blocked", "blocked_port"): Diagnosis(
        "The URL's port is not allowed, so nothing was sent.",
        "Use port 443 (the default of https) or a port from 1024 upward.",
    ),
    ("blocked", "blocked_scheme"): Diagnosis(
        "The URL is plain http, so nothing was sent.",
        "Use the receiver's https URL.",
    ),
    ("blocked", ""): Diagnosis(
        "This destination is not allowed, so nothing was sent.",
        "Use an https URL of a host that anyone on the internet can reach.",
    ),
    ("connect", "refused"): Diagnosis(
        "The receiver's machine is up, but nothing accepts connections on that port.",
        "Check that the receiver is running and that the URL has the right port.",
    ),
    ("connect", "unreachable"): Diagnosis(
        "There is no way through to the receiver's machine.",
        "Check that the machine is up and that its firewall lets us in.",
    ),
    ("connect", ""): Diagnosis(
        "No connection to the receiver could be made.",
        "Replay the delivery; if that fails too, ask the operator of this service to look into it.",
    ),
    ("tls", "expired"): Diagnosis(
        "The certificate of {host} has expired.",
        "Renew it, and let it renew by itself from now on; deliveries work again right after.",
    ),
    ("tls", "not_yet_valid"): Diagnosis(
        "The certificate of {host} is not valid yet.",
        "Install one that is valid today, and check the clock of the machine that made it.",
    ),
    ("tls", "self_signed"): Diagnosis(
        "The certificate of {host} is self-signed, so it proves nothing.",
        "Install one from a public certificate authority, such as Let's Encrypt.",
    ),
    ("tls", "wrong_host"): Diagnosis(
        "The certificate is for another host, not for {host}.",
        "Use the host name the certificate is for, or get one that includes {host}.",
    ),
    ("tls", "unknown_ca"): Diagnosis(
        "The certificate of {host} cannot be traced back to a public certificate authority.",
        "Install the whole chain, with the intermediate certificate (often called fullchain), "
        "or get a certificate from a public authority.",
    ),
    ("tls", "not_tls"): Diagnosis(
        "The receiver does not speak https on that port.",
        "Use the port on which the receiver serves https, or switch https on there.",
    ),
    ("tls", ""): Diagnosis(
        "No secure connection to the receiver could be agreed on.",
        "Check that it offers TLS 1.2 or newer and does not ask us for a certificate.",
    ),
    ("timeout", "dns"): Diagnosis(
        "Looking up {host} did not end {limit}.",
        "Check with your DNS provider that the name servers of this domain are up.",
    ),
    ("timeout", "connect"): Diagnosis(
        "The receiver did not accept the connection {limit}.",
        "Check that the machine is up and that its firewall does not silently drop our requests.",
    ),
    ("timeout", "tls"): Diagnosis(
        "The receiver accepted the connection, but set up no secure one {limit}.",
        "Check that the port serves https and that the machine is not overloaded.",
    ),
    ("timeout", "send"): Diagnosis(
        "The receiver did not take in the whole request {limit}.",
        "Let the receiver read the request's body at once; it may be overloaded.",
    ),
    ("timeout", "wait"): Diagnosis(
        "The receiver got the request, but did not answer {limit}.",
        "Answer first, work later: store the event, answer 200, and only then process it.",
    ),
    ("timeout", "body"): Diagnosis(
        "The receiver began to answer, but did not finish.",
        "Answer 200 with a short or empty body, and end it.",
    ),
    ("timeout", ""): Diagnosis(
        "The receiver did not answer {limit}.",
        "Answer first, work later: store the event, answer 200, and only then process it.",
    ),
    ("reset", "body"): Diagnosis(
        "The receiver broke the connection off in the middle of its answer.",
        "Look in the receiver's log for a crash, and in the proxy in front of it for a limit.",
    ),
    ("reset", "closed_early"): Diagnosis(
        "The receiver closed the connection without answering.",
        "Look in the receiver's log for a crash at this time; a proxy in front may do it too.",
    ),
    ("reset", ""): Diagnosis(
        "The receiver cut the connection before it answered.",
        "Look in the receiver's log for a crash; a firewall or proxy in front may do it too.",
    ),
    ("protocol", "bad_status_line"): Diagnosis(
        "What came back is not an HTTP answer.",
        "Check that the URL's port is the one of a web server, and that it speaks HTTP/1.1.",
    ),
    ("protocol", "bad_header"): Diagnosis(
        "One of the answer's headers is malformed.",
        "Check which headers the receiver, or a proxy in front of it, sets by hand.",
    ),
    ("protocol", "headers_too_large"): Diagnosis(
        "The answer's headers are too large.",
        "Keep them below 32 KiB; a webhook's answer needs no cookies.",
    ),
    ("protocol", "too_many_headers"): Diagnosis(
        "The answer has too many headers.",
        "Send at most 100; a webhook's answer needs hardly any.",
    ),
    ("protocol", "content_length_conflict"): Diagnosis(
        "The answer states its length twice, in ways that contradict each other.",
        "Let the web server set Content-Length or Transfer-Encoding; do not set them by hand.",
    ),
    ("protocol", "bad_content_length"): Diagnosis(
        "The answer's length is not a number.",
        "Let the web server set Content-Length; do not set it by hand.",
    ),
    ("protocol", "bad_chunk"): Diagnosis(
        "The answer's body is not put together as its headers say.",
        "Let the web server set Transfer-Encoding; do not set it by hand.",
    ),
    ("protocol", "unexpected_upgrade"): Diagnosis(
        "The receiver switched to another protocol, which we had not asked for.",
        "Use a URL that takes plain POST requests, not one for WebSockets.",
    ),
    ("protocol", ""): Diagnosis(
        "The answer is not HTTP as we understand it.",
        "Check what the receiver, and any proxy in front of it, sends back to a POST.",
    ),
}

_SIGNATURE: Final = (
    "Does the receiver check the signature over the raw body? It must be the bytes as they came, "
    "before any JSON parsing, with this webhook's secret; "
)

_STATUSES: Final[dict[int, Diagnosis]] = {
    304: Diagnosis(
        "The receiver answered that nothing has changed (304), which does not fit a POST.",
        "Switch caching off for this URL and answer 200.",
    ),
    400: Diagnosis(
        "The receiver did not understand the request (400).",
        "Its answer may say why; check that it expects this JSON, and the signature over the "
        "raw body.",
    ),
    401: Diagnosis(
        "The receiver does not believe that the request comes from us (401).",
        f"{_SIGNATURE}and the URL must ask for no other sign-in.",
    ),
    403: Diagnosis(
        "The receiver forbids the request (403).",
        f"{_SIGNATURE}then look for a firewall or a CSRF check in front of the URL.",
    ),
    404: Diagnosis(
        "There is nothing at this URL (404).",
        "Check the path, down to the last slash, and that the receiver's newest version is live.",
    ),
    405: Diagnosis(
        "The receiver takes no POST at this URL (405).",
        "Let the route accept POST, and check the path for a missing slash at its end.",
    ),
    408: Diagnosis(
        "The receiver says that the request took too long to arrive (408).",
        "Let the receiver read the body at once, and check the limits of a proxy in front of it.",
    ),
    410: Diagnosis(
        "The receiver says that it wants no more events (410).",
        "If that was not meant, fix the receiver; then activate the webhook again if it is "
        "disabled.",
    ),
    413: Diagnosis(
        "The request is too large for the receiver (413).",
        "Raise its limit for request bodies, and the proxy's in front of it, to 1 MB.",
    ),
    415: Diagnosis(
        "The receiver does not take JSON at this URL (415).",
        "Let it accept the content type application/json.",
    ),
    422: Diagnosis(
        "The receiver understood the request, but does not accept its content (422).",
        "Its answer may say why; let it answer 200 to events it has no use for.",
    ),
    429: Diagnosis(
        "The receiver is getting more requests than it wants (429).",
        "Raise its limit for us, or subscribe this webhook to fewer events.",
    ),
    500: Diagnosis(
        "The receiver failed while handling the request (500).",
        "Look in the receiver's log for an error at this time; once fixed, replay the delivery.",
    ),
    502: Diagnosis(
        "The proxy in front of the receiver got no proper answer from it (502).",
        "Check that the receiver behind it is running, then replay the delivery.",
    ),
    503: Diagnosis(
        "The receiver is not available at the moment (503).",
        "Check whether it is overloaded, restarting or down for maintenance.",
    ),
    504: Diagnosis(
        "The proxy in front of the receiver waited for it in vain (504).",
        "Answer first, work later: store the event, answer 200, and only then process it.",
    ),
}

_CLASSES: Final[dict[int, Diagnosis]] = {  # by first digit, for those without an entry above
    2: Diagnosis(
        "The receiver answered {status}, but only 200 counts as success here.",
        "Let it answer 200 OK.",
    ),
    4: Diagnosis(
        "The receiver turned the request down ({status}).",
        "Its answer may say why; look in the receiver's log too.",
    ),
    5: Diagnosis(
        "The receiver failed ({status}).",
        "Look in the receiver's log for an error at this time; once fixed, replay the delivery.",
    ),
}
_ODD_STATUS: Final = Diagnosis(
    "The receiver answered {status}, which is no success.", "Let it answer 200 OK."
)

_CHALLENGE: Final = Diagnosis(
    "A web page meant to keep robots out answered in place of the receiver ({status}).",
    "In your bot protection or firewall, let POST requests to this URL through.",
)
_CHALLENGE_MARKERS: Final = re.compile(
    rb"(?i)just a moment|captcha|cf-chl|challenge-platform|checking (?:if|your browser)|"
    rb"attention required|verify(?:ing)? (?:that )?you are (?:a )?human|ddos.protection|"
    rb"_incapsula_|enable javascript and cookies"
)
_CHALLENGE_STATUSES: Final = frozenset((401, 403, 405, 406, 429, 503))
_SEARCHED: Final = 4096
"""Bytes of the body that are searched; a challenge shows in the page's head."""

_LOST: Final = Diagnosis(
    "The receiver redirects ({status}), but does not say to which usable URL.",
    "Use the URL at which the receiver itself answers; redirects are not followed.",
)
_LOOP: Final = Diagnosis(
    "The receiver redirects to the very same URL ({status}).",
    "Let it answer 200 to a POST; a cookie or a sign-in may be missing, and we send neither.",
)
_SIGN_IN: Final = Diagnosis(
    "The receiver sends us to a sign-in page ({status}).",
    "Make this URL reachable without signing in, and check the signature there instead.",
)
_PLAIN_HTTP: Final = Diagnosis(
    "The receiver redirects to a plain http URL ({status}).",
    "Redirects are not followed; use the https URL at which the receiver itself answers.",
)
_MOVED_SUMMARY: Final = "The receiver redirects to another URL ({status})."
_SIGN_IN_PATH: Final = re.compile(r"(?i)/(?:\w+[-_])?(?:log[-_]?in|sign[-_]?in|sso)(?=[/.]|$)")
_LONGEST_URL: Final = 2048


def _of_status(status: int, head: bytes, body: bytes, url: str) -> Diagnosis:
    """What an answer that is no success says."""
    group = status // 100
    if _is_challenge(status, head, body):
        found = _CHALLENGE
    elif status in _STATUSES:
        return _STATUSES[status]
    elif group == 3:  # noqa: PLR2004  RFC 9110, section 15.4
        found = _redirect(_location(head, url), url)
    else:
        found = _CLASSES.get(group, _ODD_STATUS)
    return Diagnosis(found.summary.format(status=status), found.hint)


def _redirect(location: str | None, url: str) -> Diagnosis:
    if location is None:
        return _LOST
    if location == urldefrag(url).url:
        return _LOOP
    parts = urlsplit(location)
    if _SIGN_IN_PATH.search(parts.path):
        return _SIGN_IN
    if parts.scheme == "http" and urlsplit(url).scheme == "https":
        return _PLAIN_HTTP
    return Diagnosis(_MOVED_SUMMARY, f"Use this URL instead: {location}")


def _location(head: bytes, url: str) -> str | None:
    """Where a redirect leads, absolute (RFC 9110, section 10.2.2); None: nowhere we can name."""
    text = _header(head, b"location").decode("utf-8", "replace")
    if not text or len(text) > _LONGEST_URL or not text.isprintable() or " " in text:
        return None
    try:
        location = urldefrag(urljoin(url, text)).url
        parts = urlsplit(location)
        whole = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # such as an IPv6 address without its closing bracket
        return None
    return location if whole and parts.scheme in {"http", "https"} else None


def _is_challenge(status: int, head: bytes, body: bytes) -> bool:
    """Whether a bot protection answered; it is a page for people, so never an API's own JSON."""
    if _header(head, b"cf-mitigated").lower() == b"challenge":
        return True
    if status not in _CHALLENGE_STATUSES and status // 100 != 2:  # noqa: PLR2004  2xx
        return False
    if not _header(head, b"content-type").lower().startswith(b"text/html"):
        return False
    return _CHALLENGE_MARKERS.search(body, 0, _SEARCHED) is not None


def _header(head: bytes, name: bytes) -> bytes:
    """The first value of a header; empty without one."""
    for line in head.split(b"\n"):
        field, _, value = line.partition(b":")
        if field.strip().lower() == name:
            return value.strip()
    return b""


def _host(url: str) -> str:
    """The host as the customer wrote it, to be named in a sentence."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return host if host and host.isprintable() else "the URL's host"

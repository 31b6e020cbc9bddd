"""The texts of diagnoses: for each way an attempt fails, what is wrong and what to do."""

from typing import Final

import msgspec


class Diagnosis(msgspec.Struct, frozen=True, gc=False):
    """The explanation of a failed attempt for people. It never contains a resolved address."""

    summary: str
    """One sentence that says what is wrong."""
    hint: str
    """One or two sentences that say what to do about it."""


UNKNOWN: Final = Diagnosis(
    "The attempt ended without an answer.",
    "Check that the receiver is running, then replay the delivery.",
)

FAILURES: Final[dict[tuple[str, str], Diagnosis]] = {
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
        "The receiver's machine cannot be reached over the network.",
        "Check that the machine is up and that its firewall lets us in.",
    ),
    ("connect", ""): Diagnosis(
        "The connection to the receiver failed.",
        "Replay the delivery; if that fails too, ask the operator of this service to look into it.",
    ),
    ("tls", "expired"): Diagnosis(
        "The certificate of {host} has expired.",
        "Renew it, and set up automatic renewal; after that, deliveries work again.",
    ),
    ("tls", "not_yet_valid"): Diagnosis(
        "The certificate of {host} is not valid yet.",
        "Install one that is valid today, and check the clock of the machine that made it.",
    ),
    ("tls", "self_signed"): Diagnosis(
        "The certificate of {host} is self-signed, so nobody vouches for it.",
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
        "The TLS handshake with the receiver failed.",
        "Check that it offers TLS 1.2 or newer and does not ask us for a certificate.",
    ),
    ("timeout", "dns"): Diagnosis(
        "Looking up {host} did not finish {limit}.",
        "Check with your DNS provider that the name servers of this domain are up.",
    ),
    ("timeout", "connect"): Diagnosis(
        "The receiver did not accept the connection {limit}.",
        "Check that the machine is up and that its firewall does not silently drop our requests.",
    ),
    ("timeout", "tls"): Diagnosis(
        "The receiver accepted the connection, but did not finish the TLS handshake {limit}.",
        "Check that the port serves https and that the machine is not overloaded.",
    ),
    ("timeout", "send"): Diagnosis(
        "The receiver did not read the whole request {limit}.",
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
        "The receiver closed the connection in the middle of its answer.",
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
        "The answer's body does not have the form that its headers announce.",
        "Let the web server set Transfer-Encoding; do not set it by hand.",
    ),
    ("protocol", "unexpected_upgrade"): Diagnosis(
        "The receiver switched to another protocol, which we did not ask for.",
        "Use a URL that takes plain POST requests, not one for WebSockets.",
    ),
    ("protocol", ""): Diagnosis(
        "The answer is not valid HTTP.",
        "Check what the receiver, and any proxy in front of it, sends back to a POST.",
    ),
}
"""(error kind, code or phase) -> diagnosis; "" is the diagnosis of any other code of that kind.

`{host}` is the URL's host as the customer wrote it, `{limit}` for example "within 10 seconds".
"""

_SIGNATURE: Final = (
    "Does the receiver check the signature over the raw body? It must be the bytes as they came, "
    "before any JSON parsing, with this webhook's secret; "
)

STATUSES: Final[dict[int, Diagnosis]] = {
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
        "The receiver has nothing at this URL (404).",
        "Check the path, down to the last slash, and that the receiver's newest version is live.",
    ),
    405: Diagnosis(
        "The receiver does not accept POST at this URL (405).",
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
        "The receiver does not accept JSON at this URL (415).",
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
        "The proxy in front of the receiver got no valid answer from it (502).",
        "Check that the receiver behind it is running, then replay the delivery.",
    ),
    503: Diagnosis(
        "The receiver is not available at the moment (503).",
        "Check whether it is overloaded, restarting or down for maintenance.",
    ),
    504: Diagnosis(
        "The proxy in front of the receiver got no answer from it in time (504).",
        "Answer first, work later: store the event, answer 200, and only then process it.",
    ),
}

STATUS_CLASSES: Final[dict[int, Diagnosis]] = {
    2: Diagnosis(
        "The receiver answered {status}, but only 200 counts as success here.",
        "Let it answer 200 OK.",
    ),
    4: Diagnosis(
        "The receiver rejected the request ({status}).",
        "Its answer may say why; look in the receiver's log too.",
    ),
    5: Diagnosis(
        "The receiver failed ({status}).",
        "Look in the receiver's log for an error at this time; once fixed, replay the delivery.",
    ),
}
"""First digit of a status -> diagnosis, for statuses without an entry of their own."""
UNUSUAL_STATUS: Final = Diagnosis(
    "The receiver answered {status}, which does not count as success.", "Let it answer 200 OK."
)

BOT_CHALLENGE: Final = Diagnosis(
    "A web page meant to keep robots out answered in place of the receiver ({status}).",
    "In your bot protection or firewall, let POST requests to this URL through.",
)
REDIRECT_WITHOUT_URL: Final = Diagnosis(
    "The receiver redirects ({status}), but not to a usable URL.",
    "Use the URL at which the receiver itself answers; redirects are not followed.",
)
REDIRECT_TO_ITSELF: Final = Diagnosis(
    "The receiver redirects to the same URL ({status}).",
    "Let it answer 200 to a POST; a cookie or a sign-in may be missing, and we send neither.",
)
REDIRECT_TO_SIGN_IN: Final = Diagnosis(
    "The receiver sends us to a sign-in page ({status}).",
    "Make this URL reachable without signing in, and check the signature there instead.",
)
REDIRECT_TO_HTTP: Final = Diagnosis(
    "The receiver redirects to a plain http URL ({status}).",
    "Redirects are not followed; use the https URL at which the receiver itself answers.",
)
REDIRECT_SUMMARY: Final = "The receiver redirects to another URL ({status})."

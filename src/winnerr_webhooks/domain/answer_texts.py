"""The texts of diagnoses of answers: for each status that fails, what is wrong and what to do."""

from typing import Final

import msgspec

from winnerr_webhooks.domain.text import Text


class Diagnosis(msgspec.Struct, frozen=True, gc=False):
    """The explanation of a failed attempt for people. It never contains a resolved address."""

    summary: Text
    """One sentence that says what is wrong."""
    hint: Text
    """One or two sentences that say what to do about it."""


STATUSES: Final[dict[int, Diagnosis]] = {
    304: Diagnosis(
        Text("The receiver answered that nothing has changed (304), which does not fit a POST."),
        Text("Switch caching off for this URL and answer 200."),
    ),
    400: Diagnosis(
        Text("The receiver did not understand the request (400)."),
        Text(
            "Its answer may say why; check that it expects this JSON, and the signature over the "
            "raw body."
        ),
    ),
    401: Diagnosis(
        Text("The receiver does not believe that the request comes from us (401)."),
        Text(
            "Does the receiver check the signature over the raw body? It must be the bytes as "
            "they came, before any JSON parsing, with this webhook's secret; and the URL must "
            "ask for no other sign-in."
        ),
    ),
    403: Diagnosis(
        Text("The receiver forbids the request (403)."),
        Text(
            "Does the receiver check the signature over the raw body? It must be the bytes as "
            "they came, before any JSON parsing, with this webhook's secret; then look for a "
            "firewall or a CSRF check in front of the URL."
        ),
    ),
    404: Diagnosis(
        Text("The receiver has nothing at this URL (404)."),
        Text(
            "Check the path, down to the last slash, and that the receiver's newest version is "
            "live."
        ),
    ),
    405: Diagnosis(
        Text("The receiver does not accept POST at this URL (405)."),
        Text("Let the route accept POST, and check the path for a missing slash at its end."),
    ),
    408: Diagnosis(
        Text("The receiver says that the request took too long to arrive (408)."),
        Text(
            "Let the receiver read the body at once, and check the limits of a proxy in front "
            "of it."
        ),
    ),
    410: Diagnosis(
        Text("The receiver says that it wants no more events (410)."),
        Text(
            "If that was not meant, fix the receiver; then activate the webhook again if it is "
            "disabled."
        ),
    ),
    413: Diagnosis(
        Text("The request is too large for the receiver (413)."),
        Text("Raise its limit for request bodies, and the proxy's in front of it, to 1 MB."),
    ),
    415: Diagnosis(
        Text("The receiver does not accept JSON at this URL (415)."),
        Text("Let it accept the content type application/json."),
    ),
    422: Diagnosis(
        Text("The receiver understood the request, but does not accept its content (422)."),
        Text("Its answer may say why; let it answer 200 to events it has no use for."),
    ),
    429: Diagnosis(
        Text("The receiver is getting more requests than it wants (429)."),
        Text("Raise its limit for us, or subscribe this webhook to fewer events."),
    ),
    500: Diagnosis(
        Text("The receiver failed while handling the request (500)."),
        Text(
            "Look in the receiver's log for an error at this time; once fixed, replay the delivery."
        ),
    ),
    502: Diagnosis(
        Text("The proxy in front of the receiver got no valid answer from it (502)."),
        Text("Check that the receiver behind it is running, then replay the delivery."),
    ),
    503: Diagnosis(
        Text("The receiver is not available at the moment (503)."),
        Text("Check whether it is overloaded, restarting or down for maintenance."),
    ),
    504: Diagnosis(
        Text("The proxy in front of the receiver got no answer from it in time (504)."),
        Text("Answer first, work later: store the event, answer 200, and only then process it."),
    ),
}

STATUS_CLASSES: Final[dict[int, Diagnosis]] = {
    2: Diagnosis(
        Text("The receiver answered {status}, but only 200 counts as success here."),
        Text("Let it answer 200 OK."),
    ),
    4: Diagnosis(
        Text("The receiver rejected the request ({status})."),
        Text("Its answer may say why; look in the receiver's log too."),
    ),
    5: Diagnosis(
        Text("The receiver failed ({status})."),
        Text(
            "Look in the receiver's log for an error at this time; once fixed, replay the delivery."
        ),
    ),
}
"""First digit of a status -> diagnosis, for statuses without an entry of their own."""
UNUSUAL_STATUS: Final = Diagnosis(
    Text("The receiver answered {status}, which does not count as success."),
    Text("Let it answer 200 OK."),
)

NO_CLIENT_CERTIFICATE: Final = Diagnosis(
    Text("The receiver answered {status}: it wants another client certificate, or any at all."),
    Text("Give the webhook a client certificate that the receiver accepts, as its authentication."),
)
BOT_CHALLENGE: Final = Diagnosis(
    Text("A web page meant to keep robots out answered in place of the receiver ({status})."),
    Text("In your bot protection or firewall, let POST requests to this URL through."),
)
REDIRECT_WITHOUT_URL: Final = Diagnosis(
    Text("The receiver redirects ({status}), but not to a usable URL."),
    Text("Use the URL at which the receiver itself answers; redirects are not followed."),
)
REDIRECT_TO_ITSELF: Final = Diagnosis(
    Text("The receiver redirects to the same URL ({status})."),
    Text("Let it answer 200 to a POST; a cookie or a sign-in may be missing, and we send neither."),
)
REDIRECT_TO_SIGN_IN: Final = Diagnosis(
    Text("The receiver sends us to a sign-in page ({status})."),
    Text("Make this URL reachable without signing in, and check the signature there instead."),
)
REDIRECT_TO_HTTP: Final = Diagnosis(
    Text("The receiver redirects to a plain http URL ({status})."),
    Text("Redirects are not followed; use the https URL at which the receiver itself answers."),
)
REDIRECT_SUMMARY: Final = Text("The receiver redirects to another URL ({status}).")

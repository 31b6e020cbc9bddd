"""The texts that receivers compute a signature over, right and wrong.

The product's own signature is of the body alone. Standard Webhooks signs
`<webhook-id>.<webhook-timestamp>.<body>`. Other senders put a time before the body, and receivers
that were written for them do so here.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from winnerr_webhooks.domain.signature_check.signature_claims import (
    OWN,
    STANDARD,
    RequestHeaders,
    SignatureHeader,
)
from winnerr_webhooks.domain.text import NOTHING, Text

_STARTS: Final = (
    ("{id}.{time}.", Text("`<webhook-id>.<{of}>.<body>`, as Standard Webhooks does")),
    ("{time}.", Text("`<{of}>.<body>`, as Stripe does")),
    ("{time}:", Text("`<{of}>:<body>`, as Paddle does")),
    ("v0:{time}:", Text("`v0:<{of}>:<body>`, as Slack does")),
    ("{time}", Text("`<{of}><body>`, as Zendesk does")),
    ("{id}{time}", Text("`<webhook-id><{of}><body>`, as Twitch does")),
    ("{id}.", Text("`<webhook-id>.<body>`")),
)
"""What comes before the body, and how the whole is called."""
_UNREAD: Final = ("undefined", "null", "None", "")
"""What becomes of a header in a text when its name is misspelt."""


class SignedText(NamedTuple):
    """What may have been signed, and with which key."""

    scheme: str
    """The scheme whose signature was meant."""
    key: str
    """The scheme whose key was used."""
    start: bytes
    """What comes before the body."""
    detail: Text = NOTHING
    """What was signed in place of the right text, for people; empty if it is the right one."""


def right_texts(header: SignatureHeader, headers: RequestHeaders) -> list[SignedText]:
    """Return what has to be signed for a header."""
    starts = {OWN: b"", STANDARD: _standard_start(headers.event_id, headers.time)}
    return [SignedText(scheme, scheme, starts[scheme]) for scheme in header.schemes]


def wrong_texts(
    header: SignatureHeader, headers: RequestHeaders, event_time: str | None
) -> list[SignedText]:
    """Return what receivers sign instead; `event_time` is the body's `timestamp`, if it has one."""
    right = {text.start for text in right_texts(header, headers)}
    found: dict[tuple[str, bytes], SignedText] = {}
    for scheme in header.schemes:
        for text in _texts_for(scheme, headers, event_time):
            if text.start not in right:
                found.setdefault((text.key, text.start), text)
    return list(found.values())


def _texts_for(
    scheme: str, headers: RequestHeaders, event_time: str | None
) -> Iterator[SignedText]:
    keys = (scheme, STANDARD if scheme == OWN else OWN)
    if scheme == STANDARD:
        for key in keys:
            yield SignedText(scheme, key, b"", Text("the body alone"))
        for unread in _UNREAD:
            shown = Text(
                "`{unread}.{unread}.<body>`: your code does not find the headers", unread=unread
            )
            yield SignedText(scheme, scheme, _standard_start(unread, unread), shown)
    event_id = headers.event_id
    times = (
        (headers.time, "webhook-timestamp"),
        (event_time, Text("timestamp in the body")),
    )
    for time, of in times:
        for start, shown in _STARTS:
            if (time is None and "{time}" in start) or (event_id is None and "{id}" in start):
                continue
            text = start.format(id=event_id, time=time).encode("utf-8", "surrogatepass")
            for key in keys if "{id}.{time}" in start else (scheme,):
                yield SignedText(scheme, key, text, shown.fill(of=of))


def _standard_start(event_id: str | None, time: str | None) -> bytes:
    return f"{event_id}.{time}.".encode("utf-8", "surrogatepass")

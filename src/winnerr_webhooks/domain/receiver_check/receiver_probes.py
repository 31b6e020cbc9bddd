"""The requests with which a receiver is checked: what each is, and its body.

All of them are test deliveries of one event type, signed as real ones; only the probes that say so
differ. `receiver_report` judges the answers.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from winnerr_webhooks.domain.catalog import EventType
from winnerr_webhooks.domain.event import encode_payload, rfc3339

GOOD_EVENT: Final = "good_event"
REPEAT: Final = "repeat"
EXACT_BYTES: Final = "exact_bytes"
BAD_SIGNATURE: Final = "bad_signature"
OLD_TIMESTAMP: Final = "old_timestamp"
UNKNOWN_EVENT: Final = "unknown_event"
OUT_OF_ORDER: Final = "out_of_order"
LARGE_BODY: Final = "large_body"
SLOW_READING: Final = "slow_reading"
LINES: Final = (
    GOOD_EVENT, REPEAT, EXACT_BYTES, BAD_SIGNATURE, OLD_TIMESTAMP, UNKNOWN_EVENT, OUT_OF_ORDER,
    LARGE_BODY, SLOW_READING,
)  # fmt: skip
"""The lines of a report, in order. `SLOW_READING` is judged by the request of `LARGE_BODY`."""
SIGNED_ONLY: Final = frozenset((EXACT_BYTES, BAD_SIGNATURE, OLD_TIMESTAMP))
"""What cannot be checked without a secret."""

LARGE: Final = 250 * 1024
"""The size of the large body in bytes: nearly the largest that an event may have."""
OLD_SECONDS: Final = 3_600
"""How long ago the old request says that it was signed."""
UNKNOWN_NAME: Final = "receiver_check.unknown"
_MEMBER: Final = b'"receiverCheck"'
_UNUSUAL: Final = (
    b'{"text":"Zo\\u00eb & S\\u00f8n <\\u0041>\\/","raw":"'
    + "Größe 🔑 a/b".encode()
    + b'","z":12000.00,"a":1e3,"big":9007199254740993}'
)
"""JSON that no encoder writes back as it is: escapes, order, and numbers."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One request to send."""

    line: str
    """The line of the report that it is for; two requests for `OUT_OF_ORDER`."""
    event: str
    event_id: str
    delivery_id: str
    body: bytes
    attempt: int = 1
    is_forged: bool = False
    """Whether it is signed with a secret that the receiver does not have."""
    age: int = 0
    """How many seconds ago it says that it was signed."""


def make_probes(
    event: EventType, organization: str, *, signed: bool, now_ms: int, new_id: Callable[[str], str]
) -> list[Probe]:
    """Return the requests in the order of sending."""

    def probe(
        line: str,
        data: bytes = event.example,
        *,
        name: str = event.name,
        before: int = 0,
        is_forged: bool = False,
        age: int = 0,
    ) -> Probe:
        happened = rfc3339(now_ms - before * 1_000)
        return Probe(
            line=line,
            event=name,
            event_id=new_id("evt"),
            delivery_id=new_id("dlv"),
            body=encode_payload(name, happened, organization, data),
            is_forged=is_forged,
            age=age,
        )

    good = probe(GOOD_EVENT)
    older = probe(OUT_OF_ORDER, before=60)
    newer = probe(OUT_OF_ORDER)
    padding = LARGE - len(good.body) - len(_with(event.example, b'""')) + len(event.example)
    found = [
        good,
        msgspec.structs.replace(good, line=REPEAT, attempt=2),
        probe(EXACT_BYTES, _with(event.example, _UNUSUAL)),
        probe(BAD_SIGNATURE, is_forged=True),
        probe(OLD_TIMESTAMP, age=OLD_SECONDS),
        probe(UNKNOWN_EVENT, b'{"id":"check_1"}', name=UNKNOWN_NAME),
        newer,
        older,
        probe(LARGE_BODY, _with(event.example, b'"%b"' % (b"x" * padding))),
    ]
    return [one for one in found if signed or one.line not in SIGNED_ONLY]


def _with(data: bytes, value: bytes) -> bytes:
    """Return an event's `data` with one more member."""
    comma = b"" if data == b"{}" else b","
    return b"%b%b%b:%b}" % (data[:-1], comma, _MEMBER, value)

"""Make `vectors.json`: signed requests, and what verifying each of them must answer.

Every HMAC is computed by the `openssl` command line, so that the vectors judge each SDK and the
server alike and repeat no mistake of theirs. The key is passed as hexadecimal digits: a key may
hold any byte, NUL included.

    python sdk/make_vectors.py          # write sdk/vectors.json
    python sdk/make_vectors.py --check  # exit with 1 if the file differs from what this makes

`README.md` in this folder describes the format and the rules.
"""

import argparse
import base64
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("vectors.json")
NOW: Final = 1736950985
SIGNED_AT: Final = 1736950982
TOLERANCE: Final = 300
ID: Final = "evt_01jhmz6c0a0000000001q3w9e5"

PLAIN: Final = "correct horse battery staple"
WHSEC: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
"""Its key begins with a NUL byte."""
OTHER: Final = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()
NON_ASCII: Final = "Schlüssel-鍵-🔑"

BODY: Final = (
    '{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z",'
    '"organizationId":"org_abc123",'
    '"data":{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com"}}'
).encode("ascii")
RICH_DATA: Final = (
    '{"id":"deal_4821","name":"Zoë & Søn <Größe>","url":"https://example.com/deals/4821",'
    '"amount":12000.00}'
)
RICH: Final = (
    '{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z",'
    f'"organizationId":"org_abc123","data":{RICH_DATA}}}'
).encode()
"""A body that every formatter writes differently."""

Headers = list[list[str]]
Vector = dict[str, Any]


@cache
def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 of a message, by `openssl dgst`."""
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-binary", "-macopt"]
    done = subprocess.run(
        [*command, f"hexkey:{key.hex()}"], input=message, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def own_signature(secret: str, body: bytes, text: str = "sha256={hex}") -> str:
    """The value of `X-Winnerr-Signature`, or of the header that a product has in its place."""
    digest = hmac_sha256(secret.encode(), body)
    encoded = base64.b64encode(digest).decode()
    return text.replace("{hex}", digest.hex()).replace("{base64}", encoded)


def standard_signature(
    secret: str, body: bytes, *, event_id: str = ID, timestamp: object = SIGNED_AT
) -> str:
    """One entry of `webhook-signature`."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    content = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac_sha256(key, content)).decode()


def own(secret: str, body: bytes = BODY, name: str = "X-Winnerr-Signature") -> Headers:
    """Return our own signature header."""
    return [[name, own_signature(secret, body)]]


def standard(
    signatures: str, event_id: str = ID, timestamp: object = SIGNED_AT, **names: str
) -> Headers:
    """Return the three headers of Standard Webhooks."""
    return [
        [names.get("id", "webhook-id"), event_id],
        [names.get("timestamp", "webhook-timestamp"), str(timestamp)],
        [names.get("signature", "webhook-signature"), signatures],
    ]


def signed(secret: str, body: bytes = BODY, timestamp: int = SIGNED_AT) -> Headers:
    """Both schemes, as the server sends them."""
    entry = standard_signature(secret, body, timestamp=timestamp)
    return own(secret, body) + standard(entry, timestamp=timestamp)


def without(headers: Headers, *names: str) -> Headers:
    """Return the headers less those of these names."""
    return [pair for pair in headers if pair[0].lower() not in names]


def event_of(body: bytes, *, verified_by_standard: bool, signed_at: int = SIGNED_AT) -> Vector:
    """What a receiver knows after a good verification."""
    payload = json.loads(body)
    data = body.decode().split(',"data":', 1)[1][:-1]
    return {
        "ok": True,
        "id": ID if verified_by_standard else None,
        "signedAt": signed_at if verified_by_standard else None,
        "event": payload["event"],
        "timestamp": payload["timestamp"],
        "organizationId": payload["organizationId"],
        "data": data,
    }


class Vectors:
    """Collects vectors, in the order they are made."""

    def __init__(self) -> None:
        self.all: list[Vector] = []

    def add(
        self,
        name: str,
        description: str,
        headers: Headers,
        expect: Vector,
        *,
        body: bytes = BODY,
        secrets: str | list[str] = WHSEC,
        tolerance: int = TOLERANCE,
        now: int = NOW,
        **options: object,
    ) -> None:
        """Add one; `options` are the settings of the receiver that are not the default."""
        self.all.append(
            {
                "name": name,
                "description": description,
                "body": base64.b64encode(body).decode(),
                "headers": headers,
                "secrets": [secrets] if isinstance(secrets, str) else secrets,
                "tolerance": tolerance,
                "now": now,
                "options": options,
                "expect": expect,
            }
        )

    def good(self, name: str, description: str, headers: Headers, **rest: Any) -> None:
        """Add a request that is verified by Standard Webhooks."""
        signed_at = rest.pop("signed_at", SIGNED_AT)
        body = rest.get("body", BODY)
        expect = event_of(body, verified_by_standard=True, signed_at=signed_at)
        self.add(name, description, headers, expect, **rest)

    def good_own(self, name: str, description: str, headers: Headers, **rest: Any) -> None:
        """Add a request that is verified by our own header alone."""
        body = rest.get("body", BODY)
        expect = event_of(body, verified_by_standard=False)
        self.add(name, description, headers, expect, **rest)

    def refused(
        self, name: str, reason: str, description: str, headers: Headers, **rest: Any
    ) -> None:
        """Add a request that is refused."""
        self.add(name, description, headers, {"ok": False, "reason": reason}, **rest)

    def unusable(
        self, name: str, error: str, description: str, headers: Headers, **rest: Any
    ) -> None:
        """Add something that is no refusal: a mistake of the receiver's code, or of the sender."""
        self.add(name, description, headers, {"ok": False, "error": error}, **rest)


def make() -> list[Vector]:
    """Return all vectors."""
    vectors = Vectors()
    schemes(vectors)
    secrets(vectors)
    rotation(vectors)
    time(vectors)
    changed_bodies(vectors)
    content(vectors)
    repeated_and_several(vectors)
    missing(vectors)
    malformed(vectors)
    configured_headers(vectors)
    unusable(vectors)
    return vectors.all


def schemes(v: Vectors) -> None:
    """Which scheme decides."""
    v.good("both_schemes", "As the server sends it: both schemes.", signed(WHSEC))
    v.good(
        "standard_only",
        "Standard Webhooks alone.",
        standard(standard_signature(WHSEC, BODY)),
    )
    v.good_own(
        "own_only",
        "X-Winnerr-Signature alone: verified, without a time and without a signed id.",
        own(WHSEC),
    )
    v.good_own(
        "own_only_much_later",
        "X-Winnerr-Signature has no time: a request of any age is verified.",
        own(WHSEC),
        now=NOW + 10 * 365 * 86400,
    )
    v.refused(
        "own_only_timestamp_required",
        "missing_header",
        "The receiver asks for a time, and X-Winnerr-Signature has none.",
        own(WHSEC),
        requireTimestamp=True,
    )
    v.good(
        "both_timestamp_required",
        "The receiver asks for a time, and there is one.",
        signed(WHSEC),
        requireTimestamp=True,
    )
    v.good(
        "standard_decides_over_wrong_own",
        "Where Standard Webhooks headers are, X-Winnerr-Signature is not looked at.",
        own(OTHER) + standard(standard_signature(WHSEC, BODY)),
    )
    v.good(
        "standard_decides_over_malformed_own",
        "Where Standard Webhooks headers are, X-Winnerr-Signature is not looked at.",
        [["X-Winnerr-Signature", "nonsense"], *standard(standard_signature(WHSEC, BODY))],
    )
    v.refused(
        "wrong_standard_beside_good_own",
        "no_match",
        "A good X-Winnerr-Signature does not make up for a webhook-signature that does not match.",
        own(WHSEC) + standard(standard_signature(OTHER, BODY)),
    )
    v.refused(
        "old_standard_beside_good_own",
        "too_old",
        "A good X-Winnerr-Signature does not make up for a time long past.",
        signed(WHSEC, timestamp=NOW - 3600),
    )
    v.refused(
        "signature_header_stripped",
        "missing_header",
        "Taking webhook-signature away does not bring the check down to X-Winnerr-Signature.",
        without(signed(WHSEC), "webhook-signature"),
    )
    v.refused(
        "timestamp_header_stripped",
        "missing_header",
        "Taking webhook-timestamp away does not bring the check down to X-Winnerr-Signature.",
        without(signed(WHSEC), "webhook-timestamp"),
    )
    v.refused(
        "only_the_id_left",
        "missing_header",
        "One header of Standard Webhooks is enough for Standard Webhooks to decide.",
        without(signed(WHSEC), "webhook-signature", "webhook-timestamp"),
    )


def secrets(v: Vectors) -> None:
    """Kinds of secrets."""
    v.good("plain_secret", "A secret without whsec_.", signed(PLAIN), secrets=PLAIN)
    v.good("non_ascii_secret", "Letters beyond ASCII.", signed(NON_ASCII), secrets=NON_ASCII)
    v.good_own(
        "non_ascii_secret_own_only",
        "Letters beyond ASCII: the key is their UTF-8.",
        own(NON_ASCII),
        secrets=NON_ASCII,
    )
    v.good_own(
        "whsec_own_only_uses_the_whole_text",
        "X-Winnerr-Signature is keyed with the whole secret, whsec_ included.",
        own(WHSEC),
    )
    decoded = "sha256=" + hmac_sha256(base64.b64decode(WHSEC[6:]), BODY).hex()
    v.refused(
        "own_with_decoded_key",
        "no_match",
        "X-Winnerr-Signature made with the decoded rest of whsec_ is wrong.",
        [["X-Winnerr-Signature", decoded]],
    )
    text_key = base64.b64encode(
        hmac_sha256(WHSEC.encode(), f"{ID}.{SIGNED_AT}.".encode() + BODY)
    ).decode()
    v.refused(
        "standard_with_text_key",
        "no_match",
        "webhook-signature made with the text of a whsec_ secret is wrong.",
        standard("v1," + text_key),
    )
    zeros = "whsec_" + base64.b64encode(bytes(32)).decode()
    v.good("key_of_nul_bytes", "The decoded key is 32 NUL bytes.", signed(zeros), secrets=zeros)
    long = "long secret " * 20
    v.good("long_secret", "A key longer than SHA-256's block.", signed(long), secrets=long)
    spaced = "  a secret with spaces around  "
    v.good("spaces_in_secret", "Spaces are part of it.", signed(spaced), secrets=spaced)
    upper = "WHSEC_" + WHSEC[6:]
    v.good(
        "upper_case_prefix_is_plain",
        "Only whsec_ in lower case says that base64 follows.",
        signed(upper),
        secrets=upper,
    )
    v.refused("wrong_secret", "no_match", "Another secret.", signed(OTHER))
    v.refused("wrong_secret_own_only", "no_match", "Another secret, own header alone.", own(OTHER))
    v.refused("wrong_secrets", "no_match", "None of two.", signed(OTHER), secrets=[WHSEC, PLAIN])
    v.good("eight_characters", "The shortest secret.", signed("12345678"), secrets="12345678")


def rotation(v: Vectors) -> None:
    """A secret is replaced by another."""
    old, new = PLAIN, WHSEC
    v.good(
        "previous_secret",
        "The receiver knows both secrets; the sender still uses the old one.",
        signed(old),
        secrets=[new, old],
    )
    v.good(
        "current_secret_of_two",
        "The receiver knows both secrets; the sender uses the new one.",
        signed(new),
        secrets=[new, old],
    )
    v.refused(
        "previous_secret_forgotten",
        "no_match",
        "The receiver knows the new secret alone; the sender still uses the old one.",
        signed(old),
        secrets=new,
    )
    entries = f"{standard_signature(old, BODY)} {standard_signature(new, BODY)}"
    own_overlap = own(old) + own(new, name="X-Winnerr-Signature-Next")
    overlap = own_overlap + standard(entries)
    v.good("overlap_old_secret", "Signed with both; the old one is known.", overlap, secrets=old)
    v.good("overlap_new_secret", "Signed with both; the new one is known.", overlap, secrets=new)
    v.good("overlap_both_secrets", "Signed with both.", overlap, secrets=[new, old])
    v.refused("overlap_neither", "no_match", "Signed with both.", overlap, secrets=OTHER)
    v.good_own(
        "overlap_own_only_old_secret",
        "Own headers alone; the old secret signs X-Winnerr-Signature.",
        own_overlap,
        secrets=old,
    )
    v.good_own(
        "overlap_own_only_new_secret",
        "Own headers alone; the new secret signs X-Winnerr-Signature-Next.",
        own_overlap,
        secrets=new,
    )
    v.good_own(
        "next_alone",
        "X-Winnerr-Signature-Next counts without the other one, too.",
        own(new, name="X-Winnerr-Signature-Next"),
        secrets=new,
    )


def time(v: Vectors) -> None:
    """The time of signing."""
    v.good(
        "as_old_as_allowed",
        "Exactly the tolerance ago.",
        signed(WHSEC, timestamp=NOW - TOLERANCE),
        signed_at=NOW - TOLERANCE,
    )
    v.refused(
        "too_old",
        "too_old",
        "A second more than the tolerance ago.",
        signed(WHSEC, timestamp=NOW - TOLERANCE - 1),
    )
    v.good(
        "as_new_as_allowed",
        "Exactly the tolerance ahead.",
        signed(WHSEC, timestamp=NOW + TOLERANCE),
        signed_at=NOW + TOLERANCE,
    )
    v.refused(
        "too_new",
        "too_new",
        "A second more than the tolerance ahead.",
        signed(WHSEC, timestamp=NOW + TOLERANCE + 1),
    )
    v.good(
        "longer_tolerance",
        "An hour old, and two are allowed.",
        signed(WHSEC, timestamp=NOW - 3600),
        signed_at=NOW - 3600,
        tolerance=7200,
    )
    v.refused(
        "shorter_tolerance",
        "too_old",
        "Three seconds old, and one is allowed.",
        signed(WHSEC),
        tolerance=1,
    )
    v.good(
        "no_tolerance",
        "Signed in this very second.",
        signed(WHSEC, timestamp=NOW),
        signed_at=NOW,
        tolerance=0,
    )
    v.refused(
        "old_and_tampered",
        "no_match",
        "The signature is judged before the time: a time that nobody signed says nothing.",
        signed(WHSEC, timestamp=NOW - 3600),
        body=BODY.replace(b"Jane", b"Joan"),
    )
    entry = standard_signature(WHSEC, BODY, timestamp=NOW - 3600)
    v.refused(
        "timestamp_moved",
        "no_match",
        "An old request with its webhook-timestamp changed to now.",
        standard(entry, timestamp=NOW),
    )


def changed_bodies(v: Vectors) -> None:
    """Bodies that are not the bytes that were signed."""
    v.refused(
        "tampered_body",
        "no_match",
        "One letter of the body was changed.",
        signed(WHSEC),
        body=BODY.replace(b"jane@", b"jame@"),
    )
    v.refused(
        "tampered_body_own_only",
        "no_match",
        "One letter of the body was changed; own header alone.",
        own(WHSEC),
        body=BODY.replace(b"jane@", b"jame@"),
    )
    v.refused(
        "tampered_id",
        "no_match",
        "webhook-id was changed.",
        standard(standard_signature(WHSEC, BODY), event_id=ID[:-1] + "6"),
    )
    v.refused("empty_body", "no_match", "The body was lost.", signed(WHSEC), body=b"")
    payload = json.loads(RICH)
    compact = {"separators": (",", ":"), "ensure_ascii": False}
    php = json.dumps(payload, separators=(",", ":")).replace("/", "\\/")
    go = json.dumps(payload, sort_keys=True, **compact).replace("12000.0", "12000")
    for sign in "<>&":
        go = go.replace(sign, f"\\u{ord(sign):04x}")
    javascript = json.dumps(payload, indent=2, ensure_ascii=False).replace("12000.0", "12000")
    for name, formatter, text in (
        ("python", "Python's json.dumps", json.dumps(payload)),
        ("javascript", "JSON.stringify(payload, null, 2)", javascript),
        ("php", "PHP's json_encode", php),
        ("go", "Go's json.Marshal of a map", go),
    ):
        for suffix, headers in (("", signed(WHSEC, RICH)), ("_own_only", own(WHSEC, RICH))):
            v.refused(
                f"reserialised_by_{name}{suffix}",
                "no_match",
                f"Parsed and written again by {formatter}.",
                headers,
                body=text.encode(),
            )
    v.good("not_reserialised", "The same body, as it was sent.", signed(WHSEC, RICH), body=RICH)
    for name, description, body in (
        ("trailing_newline", "A line break was added.", BODY + b"\n"),
        ("trailing_crlf", "A line break of Windows was added.", BODY + b"\r\n"),
        ("bom", "A byte order mark was added.", b"\xef\xbb\xbf" + BODY),
        ("utf_16", "The body was written again as UTF-16.", BODY.decode().encode("utf-16-le")),
    ):
        v.refused(name, "no_match", description, signed(WHSEC), body=body)


def content(v: Vectors) -> None:
    """What the body may hold."""
    head = '{"event":"%s","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_abc123","data":'
    for name, description, event, data in (
        ("non_ascii_data", "Letters beyond ASCII.", "contact.created", '{"name":"Zoë 木村 🙂"}'),
        (
            "escaped_data",
            "Escapes stay as the emitter wrote them.",
            "contact.created",
            r'{"name":"Zo\u00eb \ud83d\ude42 \/ \u0000"}',
        ),
        (
            "exact_numbers",
            "Numbers keep their digits.",
            "deal.created",
            '{"amount":1.10,"huge":1e400,"count":12345678901234567890,"zero":-0.0}',
        ),
        ("unknown_event", "An event type that this SDK does not know.", "invoice.paid", '{"n":1}'),
        (
            "unknown_fields",
            "A field of data that this SDK does not know.",
            "contact.created",
            '{"id":"contact_xyz","nickname":"Janey","address":{"city":"Oslo"}}',
        ),
        ("missing_fields", "A field of data is not there.", "contact.created", "{}"),
        ("null_field", "A field of data is null.", "contact.created", '{"id":"c","name":null}'),
        (
            "other_kinds",
            "Fields of data have other kinds of values than in the example.",
            "workflow.failed",
            '{"id":7,"step":"second","error":["a",{"b":false}]}',
        ),
    ):
        body = (head % event + data + "}").encode()
        v.good(name, description, signed(WHSEC, body), body=body)
    large = (head % "contact.created" + '{"text":"' + "x" * 8192 + '"}}').encode()
    v.good("large_body", "More than one block.", signed(WHSEC, large), body=large)


def repeated_and_several(v: Vectors) -> None:
    """Header lines that are there twice, headers of several values, letter case."""
    good, bad = standard_signature(WHSEC, BODY), standard_signature(OTHER, BODY)
    v.good("several_first", "Two signatures, the first matches.", standard(f"{good} {bad}"))
    v.good("several_last", "Two signatures, the last matches.", standard(f"{bad} {good}"))
    v.refused("several_none", "no_match", "Two signatures.", standard(f"{bad} {bad}"))
    v.good("several_same", "The same one twice.", standard(f"{good} {good}"))
    ed25519 = "v1a," + base64.b64encode(bytes(range(64))).decode()
    v.good("ed25519_beside_v1", "Reserved, and ignored.", standard(f"{ed25519} {good}"))
    v.refused("ed25519_alone", "no_match", "Reserved: it never matches.", standard(ed25519))
    v.refused(
        "hmac_under_ed25519_label",
        "no_match",
        "A good value under another version does not count.",
        standard("v1a" + good[2:]),
    )
    v.good("unknown_version_beside_v1", "v2 is ignored.", standard(f"v2,AAAA {good}"))
    v.refused("unknown_version_alone", "no_match", "v2 never matches.", standard("v2" + good[2:]))
    v.good(
        "upper_case_names",
        "The case of header names does not count.",
        [[name.upper(), value] for name, value in signed(WHSEC)],
    )
    v.good_own(
        "mixed_case_names_own_only",
        "The case of header names does not count.",
        own(WHSEC, name="x-wInNeRr-SiGnAtUrE"),
    )
    v.good(
        "space_around_values",
        "Space and tab around a value are not part of it.",
        [[name, f" \t{value} "] for name, value in signed(WHSEC)],
    )
    v.good_own(
        "upper_case_hex",
        "Hexadecimal digits count in either case.",
        [["X-Winnerr-Signature", "sha256=" + own_signature(WHSEC, BODY)[7:].upper()]],
    )
    for name, position in (("id", 0), ("timestamp", 1), ("signature", 2)):
        headers = standard(good)
        v.refused(
            f"{name}_twice",
            "malformed_header",
            f"webhook-{name} is there twice.",
            [*headers, headers[position]],
        )
    v.refused(
        "id_twice_timestamp_missing",
        "missing_header",
        "webhook-id is there twice, webhook-timestamp is missing, and missing comes first.",
        [standard(good)[0], standard(good)[0], standard(good)[2]],
    )
    v.refused(
        "signature_twice_joined",
        "malformed_header",
        "webhook-signature was there twice, and the HTTP server joined it.",
        standard(f"{bad}, {good}"),
    )
    v.refused(
        "signature_twice_other_case",
        "malformed_header",
        "webhook-signature is there twice, in another case.",
        [*standard(good), ["Webhook-Signature", bad]],
    )
    v.refused(
        "own_twice",
        "malformed_header",
        "X-Winnerr-Signature is there twice.",
        own(WHSEC) + own(OTHER),
    )
    v.refused(
        "own_twice_joined",
        "malformed_header",
        "X-Winnerr-Signature was there twice, and the HTTP server joined it.",
        [["X-Winnerr-Signature", f"{own_signature(WHSEC, BODY)}, {own_signature(OTHER, BODY)}"]],
    )
    v.good(
        "other_headers_twice",
        "Headers that have no part in it may be there twice.",
        [["Accept", "a"], ["Accept", "b"], *signed(WHSEC)],
    )


def missing(v: Vectors) -> None:
    """Headers that are not there."""
    good = standard(standard_signature(WHSEC, BODY))
    v.refused("no_headers", "missing_header", "None at all.", [])
    v.refused("unsigned", "missing_header", "A webhook without a secret.", good[:2])
    for name in ("id", "timestamp", "signature"):
        v.refused(
            f"missing_{name}",
            "missing_header",
            f"webhook-{name} is not there.",
            without(good, f"webhook-{name}"),
        )
    v.refused(
        "signature_of_another_product",
        "missing_header",
        "A signature, but under another name.",
        own(WHSEC, name="X-Hub-Signature-256"),
    )


def malformed(v: Vectors) -> None:
    """Headers that do not have their form."""
    good = standard_signature(WHSEC, BODY)
    for name, description, value in (
        ("empty", "is empty", ""),
        ("without_version", "has no version", good[3:]),
        ("without_value", "has no value", "v1,"),
        ("bad_base64", "is not base64", "v1," + "!" * 43 + "="),
        ("url_safe_base64", "has the other base64 alphabet", "v1," + "-_" * 21 + "A="),
        ("unpadded", "has no padding", good[:-1]),
        ("too_short", "is too short for SHA-256", "v1,QUJDRA=="),
        ("hex_in_place_of_base64", "is hexadecimal", "v1," + hmac_sha256(b"k", b"").hex()),
        ("one_good_one_bad", "has a good entry and one without version", f"{good} nonsense"),
        ("comma_between", "has a comma between its entries", f"{good},{good}"),
    ):
        v.refused(
            f"signature_{name}",
            "malformed_header",
            f"webhook-signature {description}.",
            standard(value),
        )
    for name, description, value in (
        ("empty", "is empty", ""),
        ("text", "is not a number", "yesterday"),
        ("rfc3339", "is not a number", "2025-01-15T14:23:02Z"),
        ("fraction", "has a fraction", f"{SIGNED_AT}.5"),
        ("negative", "is negative", f"-{SIGNED_AT}"),
        ("plus", "has a plus sign", f"+{SIGNED_AT}"),
        ("milliseconds", "is in milliseconds", f"{SIGNED_AT}000"),
        ("hexadecimal", "is hexadecimal", hex(SIGNED_AT)),
        ("underscore", "has an underscore", "1_736_950_982"),
        ("fullwidth", "has digits beyond ASCII", "１７３６９５０９８２"),
    ):
        v.refused(
            f"timestamp_{name}",
            "malformed_header",
            f"webhook-timestamp {description}, and signed so.",
            standard(standard_signature(WHSEC, BODY, timestamp=value), timestamp=value),
        )
    for name, description, value in (
        ("empty", "is empty", ""),
        ("with_space", "has a space", "evt_1 evt_2"),
        ("with_full_stop", "has a full stop, which separates the signed parts", "evt_1.2"),
        ("too_long", "has 256 characters", "e" * 256),
    ):
        v.refused(
            f"id_{name}",
            "malformed_header",
            f"webhook-id {description}, and is signed so.",
            standard(standard_signature(WHSEC, BODY, event_id=value), event_id=value),
        )
    moved(v)
    right = own_signature(WHSEC, BODY)
    for name, description, value in (
        ("empty", "is empty", ""),
        ("without_prefix", "has no sha256=", right[7:]),
        ("other_prefix", "has another hash's name", "sha1=" + right[7:]),
        ("upper_case_prefix", "has sha256= in upper case", "SHA256=" + right[7:]),
        ("short", "has too few digits", right[:-2]),
        ("long", "has too many digits", right + "00"),
        ("not_hex", "has a letter that is no digit", right[:-1] + "g"),
        ("base64", "is base64", "sha256=" + good[3:]),
        ("fullwidth", "has digits beyond ASCII", "sha256=" + "０" * 64),
    ):
        v.refused(
            f"own_{name}",
            "malformed_header",
            f"X-Winnerr-Signature {description}.",
            [["X-Winnerr-Signature", value]],
        )
    v.refused(
        "next_malformed",
        "malformed_header",
        "X-Winnerr-Signature-Next has to be well-formed where it is.",
        [*own(WHSEC), ["X-Winnerr-Signature-Next", "nonsense"]],
    )


def moved(v: Vectors) -> None:
    """An attack: the signed text is split at other places, so that data become the time."""
    old = NOW - 86400
    injected = f"x.{NOW}.y"
    body = BODY.replace(b"Jane Smith", injected.encode())
    entry = standard_signature(WHSEC, body, timestamp=old)
    before, after = body.decode().split(f".{NOW}.")
    v.refused(
        "boundary_moved",
        "malformed_header",
        "An old request, split at other places so that a number in its data is taken for the time.",
        standard(entry, event_id=f"{ID}.{old}.{before}", timestamp=NOW),
        body=after.encode(),
    )


def configured_headers(v: Vectors) -> None:
    """Products that name the header and write its value in their own way."""
    v.good_own(
        "own_prefix",
        "Another prefix.",
        own(WHSEC, name="X-Globex-Signature"),
        headerPrefix="X-Globex-",
    )
    v.refused(
        "own_prefix_old_name",
        "missing_header",
        "Another prefix, and the request has the default one.",
        own(WHSEC),
        headerPrefix="X-Globex-",
    )
    v.good_own(
        "own_name",
        "Another name.",
        own(WHSEC, name="X-Hub-Signature-256"),
        signatureHeader="X-Hub-Signature-256",
    )
    v.good_own(
        "own_name_next",
        "Another name; the one of a rotation ends in -Next.",
        own(PLAIN, name="X-Hub-Signature-256") + own(WHSEC, name="X-Hub-Signature-256-Next"),
        signatureHeader="X-Hub-Signature-256",
    )
    for name, text in (
        ("hex", "{hex}"),
        ("base64", "{base64}"),
        ("text_around_hex", "v0={hex};alg=sha256"),
        ("text_around_base64", "HMAC {base64}"),
        ("special_characters", "(sha256)+[{hex}]$"),
    ):
        v.good_own(
            f"own_format_{name}",
            f"The value is written as {text}.",
            [["X-Winnerr-Signature", own_signature(WHSEC, BODY, text)]],
            signatureFormat=text,
        )
    v.refused(
        "own_format_base64_wrong_secret",
        "no_match",
        "The value is written as base64, with another secret.",
        [["X-Winnerr-Signature", own_signature(OTHER, BODY, "{base64}")]],
        signatureFormat="{base64}",
    )
    v.refused(
        "own_format_hex_given_base64",
        "malformed_header",
        "The value is base64, and hexadecimal digits are expected.",
        [["X-Winnerr-Signature", own_signature(WHSEC, BODY, "{base64}")]],
        signatureFormat="{hex}",
    )


def unusable(v: Vectors) -> None:
    """Invalid secrets, and bodies that are signed well but are no events."""
    for name, description, secret in (
        ("empty", "An empty secret: a variable that is not set.", ""),
        ("short", "Seven characters.", "1234567"),
        ("short_of_emoji", "Four characters, of sixteen bytes.", "🔑🔑🔑🔑"),
        ("whsec_alone", "Nothing after whsec_.", "whsec_"),
        ("whsec_not_base64", "After whsec_ comes no base64.", "whsec_not base64!"),
        ("whsec_unpadded", "After whsec_ comes base64 without its padding.", WHSEC[:-1]),
        ("line_break", "A line break at its end, as from a file.", PLAIN + "\n"),
        ("nul", "A NUL character.", "a secret\0with NUL"),
    ):
        v.unusable(f"secret_{name}", "invalid_secret", description, signed(WHSEC), secrets=secret)
    v.unusable(
        "secret_second_empty",
        "invalid_secret",
        "The second of two is empty.",
        signed(WHSEC),
        secrets=[WHSEC, ""],
    )
    v.unusable("no_secrets", "invalid_secret", "An empty list.", signed(WHSEC), secrets=[])
    for name, description, body in (
        ("array", "Well signed, but an array.", b"[]"),
        ("not_json", "Well signed, but no JSON.", b"event=contact.created"),
        ("not_utf_8", "Well signed, but not UTF-8.", BODY.replace(b"Jane", b"J\xe4ne")),
        ("without_data", "Well signed, but without data.", BODY.replace(b'"data"', b'"date"')),
    ):
        v.unusable(
            f"payload_{name}", "invalid_payload", description, signed(WHSEC, body), body=body
        )


def render(vectors: list[Vector]) -> str:
    """Return the file's text; `ValueError` if two vectors have one name."""
    names = [vector["name"] for vector in vectors]
    if len(set(names)) != len(names):
        raise ValueError("two vectors have one name")
    return json.dumps({"version": 1, "vectors": vectors}, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    text = render(make())
    if not parser.parse_args().check:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") != text:
        print(f"{FILE.name} is stale: run python sdk/make_vectors.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

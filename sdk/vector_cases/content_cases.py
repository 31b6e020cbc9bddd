"""The time of signing, and what the body holds."""

import json

from vector_cases.collection import Vectors
from vector_cases.signing import (
    BODY,
    ID,
    NOW,
    PLAIN,
    RICH,
    TOLERANCE,
    WHSEC,
    own,
    signed,
    standard,
    standard_signature,
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

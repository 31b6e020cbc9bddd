"""Header lines: missing, repeated, malformed, and those that a product names itself."""

import base64

from vector_cases.collection import Vectors
from vector_cases.signing import (
    BODY,
    ID,
    NOW,
    OTHER,
    PLAIN,
    SIGNED_AT,
    WHSEC,
    hmac_sha256,
    own,
    own_signature,
    signed,
    standard,
    standard_signature,
    without,
)


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

"""Which scheme and which secret decide, also while one secret replaces another."""

import base64

from vector_cases.collection import Vectors
from vector_cases.signing import (
    BODY,
    ID,
    NON_ASCII,
    NOW,
    OTHER,
    PLAIN,
    SIGNED_AT,
    WHSEC,
    hmac_sha256,
    own,
    signed,
    standard,
    standard_signature,
    without,
)


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

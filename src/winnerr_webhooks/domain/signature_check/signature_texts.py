"""Names the mistakes of receivers that verify signatures: what is wrong, and what to change.

`{own}` stands for the product's own header, such as `X-Acme-Signature`.
"""

from typing import Final

import msgspec

from winnerr_webhooks.domain.branding import BASE64, HEX
from winnerr_webhooks.domain.text import Sentences, Text


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake."""

    name: str
    """Stable, such as `reserialized`; docs/how-to/why-a-signature-does-not-match.md lists all."""
    explanation: Text
    remedy: Text

    def about(self, own_name: str) -> "Finding":
        """Return it with the name of the product's own header in place of `{own}`."""
        return Finding(
            name=self.name,
            explanation=_about(self.explanation, own_name),
            remedy=_about(self.remedy, own_name),
        )


def _about(text: str, own_name: str) -> Text:
    # Other braces in these texts are of programs.
    if isinstance(text, Sentences):
        return Sentences(*(_about(part, own_name) for part in text.parts))
    if isinstance(text, Text):
        return text.fill(own=own_name) if "{own}" in text.template else text
    return Text(text)


RAW_BODY: Final = Text(
    "Verify the bytes of the request as they arrive, and parse them afterwards: "
    "express.raw({type: 'application/json'}) in Express, php://input in PHP, request.get_data() "
    "in Flask, request.body in Django, await request.body() in FastAPI, request.raw_post in Rails, "
    "io.ReadAll(r.Body) in Go, a byte[] parameter in Spring."
)
COPY_FROM_PAGE: Final = Text(
    "Copy the secret from the webhook's page into your receiver, and check which file or variable "
    "your receiver reads it from. After a rotation, it may still have the old one."
)
_KEYS: Final = Text(
    "The key of {own} is the UTF-8 of the whole secret, whsec_ included. The key of Standard "
    "Webhooks is the base64-decoded text after whsec_, or the UTF-8 of a secret that does not "
    "begin with whsec_."
)

SECRETS: Final[dict[str, tuple[Text, Text]]] = {
    "has_whitespace": (
        Text(
            "The secret has white space or a line break around it. Without it, the signature fits."
        ),
        (
            Text(
                "Remove it where you store the secret, or trim the secret when you read it. A file "
                "that an editor or `echo` wrote ends with a line break."
            )
        ),
    ),
    "line_break_used": (
        Text("The signature was computed with the secret and a line break after it."),
        Text("Trim the secret when you read it, or write the file with printf '%s'."),
    ),
    "has_quotes": (
        Text("The secret is in quotation marks. Without them, the signature fits."),
        Text(
            "Remove the quotation marks: what reads your .env file keeps them as part of the value."
        ),
    ),
    "whsec_missing": (Text("The beginning of the secret, `whsec_`, is missing."), _KEYS),
    "whsec_removed": (
        Text("The signature was computed with the secret's text after `whsec_`, not decoded."),
        _KEYS,
    ),
    "key_of_other_scheme": (Text("The signature was computed with the other scheme's key."), _KEYS),
    "key_decoded": (
        Text("The secret was decoded from base64, although it does not begin with `whsec_`."),
        Sentences(
            _KEYS,
            Text(
                "Some libraries decode every secret: give them the secret encoded in base64, "
                "or bytes."
            ),
        ),
    ),
    "key_in_latin1": (Text("The secret was read or used as Latin-1, and not as UTF-8."), _KEYS),
    "key_from_hex": (Text("The secret was decoded from hexadecimal digits."), _KEYS),
}
"""(explanation, remedy) of what was done with a secret."""

BODIES: Final[dict[str, tuple[Text, Text, Text]]] = {
    "trailing_newline": (
        Text("The body has a line break or white space around it that was not sent."),
        Text("The signature was computed over the body and a line break after it."),
        (
            Text(
                "Use the body without it. Editors, `echo` and console.log add a line break; printf "
                "'%s' and curl's --data-binary do not."
            )
        ),
    ),
    "bom": (
        Text("The body begins with a byte order mark (BOM), which was not sent."),
        Text("The signature was computed over a byte order mark (BOM) and the body."),
        Text("Store and pass on the body as bytes, or as UTF-8 without BOM."),
    ),
    "charset": (
        Text("The body was read in another character encoding than UTF-8."),
        Text("The body was read in another character encoding than UTF-8."),
        (
            Text(
                "Verify the bytes of the request. Where you need text, decode it as UTF-8, not as "
                "Latin-1 or with the machine's default."
            )
        ),
    ),
    "changed_body": (
        Text("The body is not the one that was sent: a value differs, not only the formatting."),
        Text("The body is not the one that was sent: a value differs, not only the formatting."),
        Text(
            "Compare it with the request body in the log. A proxy or middleware may cut or "
            "change it."
        ),
    ),
}
"""(explanation if the body given has it, explanation if the signature is of it, remedy)."""

SIGNED_CONTENT: Final = (
    Text("The signature was computed over {text}."),
    (
        Text(
            "Compute {own} over the raw body alone, and webhook-signature over "
            "<webhook-id>.<webhook-timestamp>.<body>. The code may be another sender's: each "
            "signs a "
            "text of its own."
        )
    ),
)
ENCODINGS: Final = {
    "hex": Text("lower-case hexadecimal digits"),
    "HEX": Text("upper-case or hyphenated hexadecimal digits"),
    "base64": "base64",
    "base64url": Text("base64 for URLs or without padding"),
    Text("base64 of hex"): Text("base64 of hexadecimal digits: it is encoded twice"),
}
HOW_TO_ENCODE: Final = {
    HEX: (
        Text("lower-case hexadecimal digits"),
        Text("digest('hex') in Node.js, hexdigest() in Python and Ruby, hash_hmac() in PHP"),
    ),
    BASE64: ("base64", Text("digest('base64') in Node.js, base64 of digest() in Python and Ruby")),
}
"""(its name, how to get it) of each encoding."""

HAS_PREFIX: Final = Text("The signature begins with `{prefix}`.")
NO_PREFIX: Final = Text("The signature has no prefix.")
WHOLE_FORM: Final = (
    Text("It has to be written as `{form}`."),
    Text("Write what you compute as `{form}`, and compare the whole value."),
)
ONLY_PREFIX: Final = (
    Text("It has to begin with `{prefix}`."),
    Text("Put `{prefix}` in front of what you compute, and compare the whole value."),
)
"""(explanation, remedy) if the text around the encoded signature is wrong."""

NO_DIGEST: Final = (
    Text("{header} holds no SHA-256, which is 64 hexadecimal digits or 44 characters of base64."),
    (
        Text(
            "Copy the whole value. If it is shorter or longer by itself, another hash was used: "
            "compute HMAC-SHA256."
        )
    ),
)
PREVIOUS_SECRET: Final = (
    Text("The request is signed with the previous secret."),
    (
        Text(
            "Accept both secrets until the rotation ends. With the new one, check "
            "webhook-signature, "
            "which has a signature for each, or {own}-Next."
        )
    ),
)
SIGNED_WITH_ANOTHER: Final = Text("The secret is not the one that this webhook signs with.")
NOTHING_FITS: Final = Text(
    "Nothing that was tried makes the signature fit. The secret is probably another webhook's, or "
    "a value in the body was changed."
)
NO_TIME: Final = Text(
    "If your code signs a time or an id with the body, add webhook-timestamp and webhook-id: a "
    "signature over them is found then."
)
OTHER_REQUEST: Final = (
    Text("The signature was not made with this webhook's secret for this body."),
    (
        Text(
            "Use the body and the headers of one and the same request of this webhook. Compare the "
            "body with the request body in the log."
        )
    ),
)
NOT_JSON: Final = (
    Text("The body is not JSON, so it is not what was sent."),
    (
        Text(
            "Use the whole raw body. If it is empty or cut, something read it before your code; a "
            "proxy may also compress it."
        )
    ),
)
NOT_A_PAYLOAD: Final = (
    (
        Text(
            "The body is JSON, but not what was sent: that has the keys event, timestamp, "
            "organizationId and data, and no others."
        )
    ),
    Text("Use the whole raw body, neither a part of it nor what a tool puts around it."),
)
UNFOUND_CHANGE: Final = Text(
    "Nothing that was tried makes the signature fit, so a number, an escape or the order of keys "
    "was probably changed too, or the secret is wrong as well."
)
OTHER_HEADERS: Final = Text(
    "Use webhook-id, webhook-timestamp and the signatures of one and the same request: each "
    "attempt has its own."
)
MISSING_HEADERS: Final = Text(
    "Add all headers of the request. If they did not arrive, a proxy removes them, or the webhook "
    "has no secret."
)
MALFORMED_HEADERS: Final = (
    Text("The value of {names} is not one that is sent, or the header is there twice."),
    (
        Text(
            "Copy the header as it arrived. webhook-timestamp is whole seconds since 1970, neither "
            "milliseconds nor a date."
        )
    ),
)
TOO_OLD: Final = (
    Text("The request was signed {age} ago. Receivers accept {tolerance}."),
    (
        Text(
            "If you check an old request, this is no mistake of your receiver. If your receiver "
            "refused it when it arrived, set the clock of its machine (NTP). To get it again, "
            "replay "
            "it: each attempt is signed anew."
        )
    ),
)
TOO_NEW: Final = (
    Text("The request was signed {age} in the future. Receivers accept {tolerance}."),
    Text("Set the clock of your receiver's machine (NTP)."),
)

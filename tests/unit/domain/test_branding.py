"""The names of headers follow from the product's name; names that collide are refused."""

import pytest

from winnerr_webhooks.domain.branding import (
    SignatureFormat,
    make_branding,
    parse_signature_format,
)

FORM = SignatureFormat("sha256=", "hex")


@pytest.mark.parametrize(
    ("name", "prefix", "product", "variable"),
    [
        ("Winnerr", "X-Winnerr-", "Winnerr-Webhooks", "WINNERR_WEBHOOK_SECRET"),
        ("Globex CRM", "X-Globex-CRM-", "Globex-CRM-Webhooks", "GLOBEX_CRM_WEBHOOK_SECRET"),
        ("Café & Co.", "X-Cafe-Co-", "Cafe-Co-Webhooks", "CAFE_CO_WEBHOOK_SECRET"),
        ("3M", "X-3M-", "3M-Webhooks", "WEBHOOK_SECRET"),
    ],
)
def test_names_follow_from_the_brand(name, prefix, product, variable):
    branding = make_branding(name, "", "", FORM)
    assert branding.header("Event") == f"{prefix}Event"
    assert branding.signature_header == f"{prefix}Signature"
    assert (branding.product, branding.secret_variable) == (product, variable)


@pytest.mark.parametrize("name", ["株式会社", "Straße 7", "!!"])
def test_a_brand_in_another_script_needs_a_prefix(name):
    with pytest.raises(ValueError, match=f"HEADER_PREFIX: no header name .*BRAND='{name}'"):
        make_branding(name, "", "", FORM)
    branding = make_branding(name, "X-Seven-", "", FORM)
    assert branding.signature_header == "X-Seven-Signature"
    assert branding.product == "Webhooks"


@pytest.mark.parametrize(
    ("prefix", "signature", "named"),
    [
        ("", "host", "SIGNATURE_HEADER: host is a header of HTTP"),
        ("", "Content-Length", "SIGNATURE_HEADER: Content-Length is"),
        ("Webhook-", "", "SIGNATURE_HEADER: Webhook-Signature is"),
        ("", "x-acme-event", "SIGNATURE_HEADER: two headers of a request would be x-acme-event"),
        ("Sign-", "Sign-Test", "SIGNATURE_HEADER: two headers of a request would be Sign-Test"),
    ],
)
def test_two_headers_never_have_one_name(prefix, signature, named):
    with pytest.raises(ValueError, match=named):
        make_branding("Acme", prefix, signature, FORM)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("{hex}", SignatureFormat("", "hex")),
        ("v1={base64};", SignatureFormat("v1=", "base64", ";")),
    ],
)
def test_a_format_has_text_around_its_digest(text, form):
    assert parse_signature_format(text) == form
    assert str(form) == text


@pytest.mark.parametrize(
    "text",
    ["sha256=", "{hex}{hex}", "{hex}{base64}", "{sha512}", "t={timestamp},v1={hex}", "{HEX}", ""],
)
def test_a_format_has_exactly_one_digest(text):
    with pytest.raises(ValueError, match="exactly once"):
        parse_signature_format(text)


@pytest.mark.parametrize("text", ["a\r\nX: {hex}", "é{hex}", "{hex}\x7f", "{{hex}", "{hex}}"])
def test_text_around_a_digest_is_printable_ascii(text):
    with pytest.raises(ValueError, match="printable ASCII"):
        parse_signature_format(text)


def test_texts_are_filled_with_the_products_headers():
    branding = make_branding("Acme", "Acme-", "X-Hub-Signature", FORM)
    filled = branding.fill("X-…-Event, X-…-Signature and X-…-Signature-Next")
    assert filled == "Acme-Event, X-Hub-Signature and X-Hub-Signature-Next"

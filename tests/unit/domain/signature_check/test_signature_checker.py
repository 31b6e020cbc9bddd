"""The signature check names the mistakes of real receivers, and of the SDKs' vectors."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.signature_check.signature_checker import MAX_BODY, check_signature
from winnerr_webhooks.domain.signature_check.signature_claims import read_headers, read_signature

ROOT = Path(__file__).parents[4]
REQUESTS = json.loads((ROOT / "tests/mistaken_requests/requests.json").read_text())
VECTORS = json.loads((ROOT / "sdk/vectors.json").read_text())["vectors"]
BRANDING = Config().branding
OWN = BRANDING.signature_header
SECRET, OTHER = "a secret of ours", "another secret"
BODY = (
    b'{"event":"deal.closed_won","timestamp":"2025-01-15T14:23:00Z","organizationId":"o","data":{}}'
)

NAMED_OTHERWISE = {
    # The SDKs look at Standard Webhooks alone where its headers are; the check explains both.
    "standard_decides_over_wrong_own": {"changed_header"},
    "standard_decides_over_malformed_own": {"malformed_header"},
    # A receiver with both secrets accepts it; the check says which of them signed.
    "previous_secret": {"previous_secret"},
    # The SDKs accept either case; a comparison of texts does not.
    "upper_case_hex": {"encoding"},
}
BY_REASON = {
    "too_old": {"too_old"},
    "too_new": {"too_new"},
    "missing_header": {"missing_header"},
    "malformed_header": {"malformed_header", "prefix", "encoding"},
    "no_match": {
        "reserialized", "trailing_newline", "bom", "charset", "prefix", "wrong_secret",
        "changed_body", "changed_header", "malformed_header",
    },
}  # fmt: skip


def check(body=BODY, signature=None, *, secret=SECRET, headers=(), now=0, **known):
    read = (
        read_headers(headers, BRANDING)
        if signature is None
        else read_signature(signature, BRANDING)
    )
    return check_signature(body=body, headers=read, secret=secret, now=now, **known)


def names(found):
    return {mistake.name for mistake in found.mistakes}


def own(body=BODY, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one["name"])
def test_each_mistake_of_a_real_receiver_is_named(request_):
    values = dict(request_["headers"])
    headers = read_headers(request_["headers"], BRANDING)
    if "signature" in values:
        headers = read_signature(
            values["signature"], BRANDING, values["webhook-id"], values["webhook-timestamp"]
        )
    found = check_signature(
        body=base64.b64decode(request_["body"]),
        headers=headers,
        secret=request_["secret"],
        previous=request_["previous"],
        now=request_["now"],
    )
    assert sorted(names(found)) == request_["mistakes"]
    unproven = ("express_object_as_text", "secret_of_another_webhook")
    assert found.proven is (request_["name"] not in unproven)


@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS if not one["options"] and "error" not in one["expect"]],
    ids=lambda one: one["name"],
)
def test_the_sdks_vectors_are_valid_or_named(vector):
    secret, *others = vector["secrets"]
    found = check_signature(
        body=base64.b64decode(vector["body"]),
        headers=read_headers(vector["headers"], BRANDING),
        secret=secret,
        previous=others[0] if others else None,
        now=vector["now"],
        tolerance=vector["tolerance"],
    )
    if vector["name"] in NAMED_OTHERWISE:
        assert names(found) == NAMED_OTHERWISE[vector["name"]]
    elif vector["expect"]["ok"]:
        assert found.valid
        assert found.proven
    else:
        assert names(found) & BY_REASON[vector["expect"]["reason"]]
        assert not found.valid
    if vector["name"].startswith(("reserialised_by", "trailing", "bom", "utf_16")):
        assert found.proven


def test_a_text_names_the_formatting_that_was_signed_and_the_one_given():
    found = check(json.dumps(json.loads(BODY), indent=4).encode(), own())
    (mistake,) = found.mistakes
    assert "The signature fits when it is written without spaces." in mistake.explanation
    assert "indented by 4 spaces" in mistake.explanation
    assert "raw_post" in mistake.remedy


def test_a_body_that_was_only_indented_keeps_its_escapes_and_numbers():
    body = rb'{"event":"x","data":{"a":"\u00e9\/ \u003c","b":"\ud83d\ude00/","n":[1.50,1E2]}}'
    found = check(body.replace(b",", b",\n  "), own(body))
    assert names(found) == {"reserialized"}
    assert found.proven


def test_several_mistakes_are_undone_together():
    body = b"\xef\xbb\xbf" + json.dumps(json.loads(BODY)).encode() + b"\r\n"
    signature = base64.b64encode(bytes.fromhex(own()[7:])).decode()
    found = check(body, signature, secret=f" {SECRET}\n")
    expected = {"reserialized", "bom", "trailing_newline", "encoding", "prefix"}
    assert names(found) == {*expected, "whitespace_in_secret"}
    assert found.proven


def test_where_the_sender_s_secret_is_known_a_wrong_one_is_proven():
    found = check(signature=own(), secret=OTHER, current=SECRET)
    assert names(found) == {"wrong_secret"}
    assert found.proven
    found = check(signature=own(), secret="the new one", previous=SECRET)
    assert names(found) == {"previous_secret"}
    found = check(signature=own(secret="a third one"), secret=SECRET, current=SECRET)
    assert names(found) == {"changed_body"}
    assert not found.proven


def test_where_the_body_sent_is_known_a_changed_value_is_told_from_another_formatting():
    written_again = BODY.replace(b"data", b"d\\u0061ta").replace(b",", b" ,\t")
    found = check(written_again, own(), sent=BODY)
    assert names(found) == {"reserialized"}
    found = check(BODY.replace(b"2025", b"2026"), own(), sent=BODY)
    assert names(found) == {"changed_body"}
    assert found.proven


def test_during_a_rotation_the_new_secret_fits_and_a_note_says_where():
    headers = [(OWN, own(secret=OTHER)), (OWN + "-Next", own())]
    found = check(headers=headers)
    assert found.valid
    assert f"{OWN}-Next" in found.notes[0]
    assert check(headers=headers, secret=OTHER).notes == ()


@pytest.mark.parametrize(
    ("secret", "given", "mistake"),
    [
        ("whsec_AAECAwQF", "AAECAwQF", "prefix"),
        (SECRET, f'"{SECRET}"', "wrong_secret"),
        (base64.b64decode("AAAAAAAA").decode("latin-1"), "AAAAAAAA", "encoding"),
        ("\x01\x02\x03\x04", "01020304", "encoding"),
        (SECRET + "\n", SECRET, "whitespace_in_secret"),
    ],
)
def test_what_receivers_do_to_a_secret_is_named(secret, given, mistake):
    found = check(signature=own(secret=secret), secret=given)
    assert names(found) == {mistake}
    assert found.proven


ID, TIME, KEY = "evt_01", "1736950982", "whsec_c2VjcmV0IG9mIG91cnM="
OWN_KEY, STANDARD_KEY = KEY.encode(), base64.b64decode(KEY[6:])
STARTS = (
    (f"{TIME}.", "`<webhook-timestamp>.<body>`, as Stripe does"),
    (f"v0:{TIME}:", "`v0:<webhook-timestamp>:<body>`, as Slack does"),
    (f"{ID}.", "`<webhook-id>.<body>`"),
    ("2025-01-15T14:23:00Z.", "`<timestamp in the body>.<body>`, as Stripe does"),
)


def mac(start, body=BODY, key=OWN_KEY):
    return hmac.new(key, start.encode() + body, hashlib.sha256)


def standard(start, body=BODY, key=STANDARD_KEY):
    return "v1," + base64.b64encode(mac(start, body, key).digest()).decode()


def check_both(own_value=None, standard_value=None, body=BODY):
    """Check a request whose headers are right but for these."""
    headers = [
        (OWN, own_value or own(secret=KEY)),
        ("webhook-id", ID),
        ("webhook-timestamp", TIME),
        ("webhook-signature", standard_value or standard(f"{ID}.{TIME}.")),
    ]
    return check(body, headers=headers, secret=KEY, now=int(TIME))


@pytest.mark.parametrize(("start", "called"), STARTS)
@pytest.mark.parametrize("header", ["own_value", "standard_value"])
def test_another_text_than_the_right_one_was_signed(header, start, called):
    value = f"sha256={mac(start).hexdigest()}" if header == "own_value" else standard(start)
    found = check_both(**{header: value})
    (mistake,) = found.mistakes
    assert mistake.name == "signed_content"
    assert called in mistake.explanation
    assert f"Compute {OWN} over the raw body alone" in mistake.remedy
    assert found.proven


def test_without_the_time_it_says_that_a_signature_over_it_cannot_be_found():
    signature = f"sha256={mac(f'{TIME}.').hexdigest()}"
    (mistake,) = check(signature=signature, secret=KEY).mistakes
    assert mistake.name == "wrong_secret"
    assert "add webhook-timestamp and webhook-id" in mistake.explanation


def test_the_text_of_one_signature_was_signed_for_the_other():
    for key in (OWN_KEY, STANDARD_KEY):
        made = mac(f"{ID}.{TIME}.", key=key).hexdigest()
        found = check_both(f"sha256={made}")
        assert names(found) == {"signed_content"}
        assert "as Standard Webhooks does" in found.mistakes[0].explanation
        found = check_both(None, standard("", key=key))
        assert names(found) == {"signed_content"}
        assert "over the body alone" in found.mistakes[0].explanation


def test_headers_that_the_receiver_s_code_does_not_find_are_named():
    found = check_both(None, standard("undefined.undefined."))
    assert names(found) == {"signed_content"}
    assert "your code does not find the headers" in found.mistakes[0].explanation


def test_another_text_and_other_mistakes_are_undone_together():
    """As with `${timestamp}.${JSON.stringify(req.body)}`, in base64."""
    written = BODY.replace(b'"data":', b'"data": ')
    signature = base64.b64encode(mac(f"{TIME}.", BODY).digest()).decode()
    found = check_signature(
        body=written,
        headers=read_signature(signature, BRANDING, None, TIME),
        secret=KEY,
        now=int(TIME),
    )
    assert names(found) == {"signed_content", "reserialized", "encoding", "prefix"}
    assert found.proven


def test_a_signature_alone_may_be_of_either_scheme():
    for value in (own(secret=KEY), standard(f"{ID}.{TIME}.")):
        found = check_signature(
            body=BODY,
            headers=read_signature(value, BRANDING, ID, TIME),
            secret=KEY,
            now=int(TIME),
        )
        assert found.valid


def test_secrets_are_in_no_text_and_no_repr():
    found = check(signature=own(), secret="\tnobody may read this\n", current=SECRET)
    assert "nobody may read" not in repr(found)
    assert SECRET not in repr(found)


def test_a_body_beyond_the_limit_is_refused_and_a_large_one_ends_within_its_work():
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        check(b" " * (MAX_BODY + 1), own())
    large = json.dumps({"data": ["é/<" * 10] * 3_000, "event": "x"}).encode()
    found = check(large, own(), most_bytes=1 << 20)
    assert not found.complete
    assert found.trials < 50


@given(st.binary(max_size=300), st.text(max_size=100), st.text(min_size=1, max_size=40))
def test_no_input_makes_it_fail(body, signature, secret):
    check(body, signature, secret=secret, current=OTHER, sent=BODY)
    check(body, headers=[(OWN, signature), ("webhook-id", signature)], secret=secret)


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 5_000, b"{'a':" * 5_000, b'{"a":1e999999}', b'{"a":1,"a":[]}',
     b'{"a":"\\ud800"}', b'"{\\"a\\":1}"', b"\xff\xfe{\x00", b"{'a': '\\x41\\''}"],
    ids=range(9),
)  # fmt: skip
def test_hostile_bodies_end_in_a_finding(body):
    assert check(body, own()).mistakes

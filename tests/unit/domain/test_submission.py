"""An event is accepted, or refused with an error for every wrong field."""

import msgspec
import pytest
from tests.unit.domain.event_texts import NOW, event, filled, refusal, take

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import TooLarge
from winnerr_webhooks.domain.submission import (
    MAX_EVENT,
    Submission,
    read,
)


def test_a_valid_event_is_accepted():
    raw = event('{"id":"contact_xyz"}', timestamp="2025-01-15T14:23:00Z", id="crm-8841")
    assert take(raw) == Submission(
        "org_1", "contact.created", "2025-01-15T14:23:00Z", b'{"id":"contact_xyz"}', "crm-8841"
    )


@pytest.mark.parametrize("fields", [{}, {"timestamp": None, "id": None}])
def test_missing_and_null_fields_have_defaults(fields):
    taken = take(event(**fields))
    assert taken.timestamp == "2025-01-15T14:23:20Z"
    assert taken.client_id is None


def test_an_event_may_be_a_raw_part_of_another_document():
    raw = msgspec.Raw(event().encode())
    assert read(raw, catalog=CATALOG, now_ms=NOW).data == b"{}"


@pytest.mark.parametrize(
    ("raw", "pointer", "says"),
    [
        (event(event="contact.craeted"), "/event", "Did you mean contact.created"),
        (event(event="zzzzzzzzzzzz"), "/event", "GET /api/v1/event-types"),
        (event(event=""), "/event", "There is no event ''"),
        (event(event=7), "/event", "as a string"),
        (event(event=None), "/event", "as a string"),
        (event(event=...), "/event", "`event` is missing"),
        (event(organizationId=...), "/organizationId", "missing"),
        (event(organizationId=""), "/organizationId", "1 to 64"),
        (event(organizationId="o" * 65), "/organizationId", "1 to 64"),
        (event(organizationId="org 1"), "/organizationId", "A-Z"),
        (event(organizationId="org_1\n"), "/organizationId", "A-Z"),
        (event(organizationId="örg"), "/organizationId", "A-Z"),
        (event(organizationId="org\0"), "/organizationId", "A-Z"),
        (event(organizationId=12), "/organizationId", "string"),
        ('{"event":"contact.created","organizationId":"o"}', "/data", "missing"),
        (event("[]"), "/data", "must be a JSON object"),
        (event("null"), "/data", "must be a JSON object"),
        (event('"{}"'), "/data", "must be a JSON object"),
        (event("12"), "/data", "must be a JSON object"),
        (event(timestamp="yesterday"), "/timestamp", "RFC 3339"),
        (event(timestamp=1736951000), "/timestamp", "RFC 3339"),
        (event(timestamp=""), "/timestamp", "RFC 3339"),
        (event(id=""), "/id", "1 to 255 printable ASCII"),
        (event(id="i" * 300), "/id", "1 to 255 printable ASCII"),
        (event(id="é"), "/id", "1 to 255 printable ASCII"),
        (event(id="a\0b"), "/id", "1 to 255 printable ASCII"),
        (event(id=5), "/id", "string"),
        (event(organisationId="o"), "/organisationId", "Did you mean `organizationId`?"),
        (event(**{"a/b~c": 1}), "/a~1b~0c", "The fields are: event, organizationId, data"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(raw, pointer, says):
    errors = refusal(raw)
    assert list(errors) == [pointer]
    assert says in errors[pointer]


def test_every_wrong_field_is_reported_at_once():
    raw = event("3", event=1, organizationId=[], timestamp="x", id={}, datum=1)
    assert sorted(refusal(raw)) == [
        "/data",
        "/datum",
        "/event",
        "/id",
        "/organizationId",
        "/timestamp",
    ]


def test_only_some_of_very_many_unknown_fields_are_listed():
    assert len(refusal(event(**{f"field{n}": n for n in range(5_000)}))) == 20


@pytest.mark.parametrize("raw", ["[]", "null", "1", '"x"'])
def test_an_event_that_is_not_an_object_is_refused(raw):
    assert refusal(raw) == {"": "An event is a JSON object."}


def test_an_event_of_256_kib_is_accepted_and_one_more_byte_is_too_large():
    assert len(filled(MAX_EVENT)) == MAX_EVENT
    assert take(filled(MAX_EVENT))
    with pytest.raises(TooLarge, match="262,144"):
        take(filled(MAX_EVENT + 1))


def test_an_idempotency_key_stands_for_the_id():
    assert take(event(), "key-1").client_id == "key-1"
    assert take(event(id=None), "key-1").client_id == "key-1"
    assert take(event(id="key-1"), "key-1").client_id == "key-1"


def test_an_idempotency_key_and_another_id_are_refused():
    assert "differ" in refusal(event(id="a"), "b")["/id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "é", "a\nb"])
def test_a_bad_idempotency_key_is_refused(key):
    assert "Idempotency-Key" in refusal(event(), key)[""]


def test_ids_and_idempotency_keys_have_at_most_255_characters():
    assert take(event(id="~" * 255)).client_id == "~" * 255
    assert take(event(), " " * 255).client_id == " " * 255

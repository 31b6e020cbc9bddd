"""The payload of an event, and the form of times."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.event import encode_payload, fingerprint, rfc3339, rfc3339_ms

YEAR_9999 = 253_402_300_799_999


def test_the_payload_has_the_four_keys_in_their_order_and_nothing_else():
    body = encode_payload(
        "contact.created", "2025-01-15T14:23:00Z", "org_abc123", b'{"id":"contact_xyz"}'
    )
    assert body == (
        b'{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z",'
        b'"organizationId":"org_abc123","data":{"id":"contact_xyz"}}'
    )
    assert list(json.loads(body)) == ["event", "timestamp", "organizationId", "data"]


def test_percent_signs_in_the_data_are_left_alone():
    assert encode_payload("e", "t", "o", b'{"rate":"5%d %s %%"}').endswith(b'{"rate":"5%d %s %%"}}')


def test_a_fingerprint_separates_the_event_name_from_the_data():
    same = fingerprint("deal.created", b'{"id":1}')
    assert same == fingerprint("deal.created", b'{"id":1}')
    assert same != fingerprint("deal.updated", b'{"id":1}')
    assert same != fingerprint("deal.created", b'{"id":2}')
    assert fingerprint("ab", b"c") != fingerprint("a", b"bc")
    assert len(same) == 16


def test_times_are_written_in_utc_with_z():
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_736_950_980_999) == "2025-01-15T14:23:00Z"
    assert rfc3339_ms(1_736_950_980_007) == "2025-01-15T14:23:00.007Z"


@given(st.integers(0, YEAR_9999))
def test_a_written_time_reads_back_as_the_same_instant(ms):
    second = int(datetime.fromisoformat(rfc3339(ms)).timestamp())
    assert second == ms // 1000
    exact = datetime.fromisoformat(rfc3339_ms(ms))
    assert exact.tzinfo == UTC
    assert (exact.replace(microsecond=0).timestamp(), exact.microsecond) == (
        ms // 1000,
        ms % 1000 * 1000,
    )

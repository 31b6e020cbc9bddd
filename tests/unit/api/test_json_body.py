"""JSON bodies: how they become types."""

import msgspec
import pytest

from winnerr_webhooks.api.json_body import decode
from winnerr_webhooks.domain.errors import Invalid, Malformed


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 0


class Outer(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    first_name: str = ""
    inner: list[Inner] = []


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"inner":[{"count":1},{"count":"x"}]}', "/inner/1/count"),
        (b'{"inner":[{"cuont":1}]}', "/inner/0/cuont"),
        (b'{"firstName":1}', "/firstName"),
        (b'{"first_name":""}', "/first_name"),
        (b'{"a/b~":1}', "/a~1b~0"),
        (b'{"inner":[{},{"count":"\\ud800"}]}', "/inner/1/count"),
        (b'{"\\ud800":1}', ""),
        (b"[]", ""),
        (b"[" * 50_000, ""),
    ],
)
def test_what_does_not_fit_is_pointed_at(raw, pointer):
    with pytest.raises(Invalid) as refusal:
        decode(raw, Outer)
    assert refusal.value.errors[0].pointer == pointer


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"{}{}", b"{'a':1}", b"NaN", b"\xef\xbb\xbf{}", b'"\xff"', b'{"x":\\ud800}']
)
def test_what_is_no_json_is_malformed_even_where_a_field_is_wrong_too(raw):
    with pytest.raises(Malformed):
        decode(raw, Outer)

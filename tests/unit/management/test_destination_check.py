"""The check of a destination URL when it is saved."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest

from winnerr_webhooks.domain.errors import Invalid, LocalShortage
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.resolver import ResolveError
from winnerr_webhooks.management import destination_check
from winnerr_webhooks.management.destination_check import DestinationCheck

PUBLIC = ip_address("93.184.215.14")
PRIVATE = ip_address("10.1.2.3")


class Names:
    """A resolver with a fixed answer."""

    def __init__(self, *addresses, code=None, hang=False):
        self.addresses = addresses
        self.code = code
        self.hang = hang
        self.asked = []

    async def resolve(self, host):
        self.asked.append(host)
        if self.hang:
            await asyncio.Event().wait()
        if self.code:
            raise ResolveError(self.code)
        return self.addresses


def judge(names, **policy):
    allow_http = policy.pop("allow_http", False)
    return DestinationCheck(
        AddressPolicy(allow_http=allow_http, **policy), names, allow_http=allow_http
    )


async def test_a_public_name_is_saved_without_warnings():
    names = Names(PUBLIC)
    assert await judge(names).check("https://hooks.example.com/crm") == ()
    assert names.asked == ["hooks.example.com"]


@pytest.mark.parametrize("address", ["10.1.2.3", "::1", "169.254.169.254", "::ffff:10.1.2.3"])
async def test_a_name_with_only_forbidden_addresses_is_refused_without_naming_them(address):
    with pytest.raises(Invalid) as refusal:
        await judge(Names(ip_address(address))).check("https://inside.example.com/")
    assert refusal.value.errors[0].pointer == "/url"
    assert address not in refusal.value.detail
    assert "public" in refusal.value.detail


async def test_a_name_with_one_good_address_is_saved():
    """The address that is used is checked at every connect."""
    assert await judge(Names(PRIVATE, PUBLIC)).check("https://split.example.com/") == ()


async def test_a_name_that_does_not_resolve_is_saved_with_a_warning():
    (warning,) = await judge(Names(code="nxdomain")).check("https://soon.example.com/")
    assert "does not exist" in warning


async def test_a_lookup_that_hangs_ends_in_a_warning(monkeypatch):
    monkeypatch.setattr(destination_check, "LOOKUP_SECONDS", 0.01)
    (warning,) = await judge(Names(hang=True)).check("https://slow.example.com/")
    assert "in time" in warning


async def test_a_literal_address_is_checked_without_a_lookup():
    names = Names()
    with pytest.raises(Invalid):
        await judge(names).check("https://127.0.0.1/")
    allowed = judge(names, allow=[ip_network("127.0.0.0/8")], allow_http=True)
    assert await allowed.check("http://127.0.0.1:81/") == ()
    assert names.asked == []


async def test_a_forbidden_port_is_refused_before_any_lookup():
    names = Names(PUBLIC)
    with pytest.raises(Invalid, match="port"):
        await judge(names).check("https://hooks.example.com:22/")
    assert names.asked == []


async def test_plain_http_must_be_allowed():
    with pytest.raises(Invalid, match="https"):
        await judge(Names(PUBLIC)).check("http://hooks.example.com/")
    assert await judge(Names(PUBLIC), allow_http=True).check("http://hooks.example.com/") == ()


async def test_a_url_is_saved_with_a_neutral_warning_if_this_machine_cannot_look_it_up():
    class WithoutDescriptors:
        async def resolve(self, host):
            raise LocalShortage("EMFILE")

    (warning,) = await judge(WithoutDescriptors()).check("https://hooks.example.com/")
    assert "could not be looked up now" in warning
    assert "exist" not in warning

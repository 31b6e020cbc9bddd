"""Checks a destination URL when it is saved, so that customers learn at once what cannot work.

This is not the protection: `egress` checks the address of every connect.
"""

import asyncio
from typing import Final

from winnerr_webhooks.domain.errors import Invalid, LocalShortage
from winnerr_webhooks.domain.text import Sentences, Text
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.egress.address_policy import REFUSALS, AddressPolicy
from winnerr_webhooks.egress.resolver import ResolveError, Resolver

LOOKUP_SECONDS: Final = 2.0
"""How long saving waits for the lookup of a host name."""


class DestinationCheck:
    """Checks the form of a URL, its port, and the addresses that its host has now."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, *, allow_http: bool) -> None:
        self._policy = policy
        self._resolver = resolver
        self._allow_http = allow_http

    async def check(self, url: str, pointer: str = "/url") -> tuple[str, ...]:
        """Return warnings about a URL that may be saved.

        Raises `Invalid` at `pointer` if it may not.
        A host name is refused if all its addresses are. A name that does not resolve now is only a
        warning, because it may resolve later.
        """
        try:
            destination = parse_url(url, allow_http=self._allow_http)
        except Invalid as refusal:
            raise Invalid.field(pointer, refusal.detail) from None
        if destination.address is not None:
            addresses = [destination.address]
        else:
            self._refuse([self._policy.port_refusal(destination.port)], pointer)
            try:
                async with asyncio.timeout(LOOKUP_SECONDS):
                    addresses = list(await self._resolver.resolve(destination.host))
            except ResolveError as error:
                return (
                    Sentences(error.message, Text("Until that is fixed, deliveries to it fail.")),
                )
            except TimeoutError:
                return (Text("The host name could not be looked up in time; check its spelling."),)
            except LocalShortage:
                return (Text("The host name could not be looked up now; check its spelling."),)
        self._refuse(
            [
                self._policy.refusal(address, destination.port, destination.scheme)
                for address in addresses
            ],
            pointer,
        )
        return ()

    @staticmethod
    def _refuse(refusals: list[str | None], pointer: str) -> None:
        first = refusals[0]
        if first is not None and None not in refusals:
            raise Invalid.field(pointer, REFUSALS[first])

"""The check of a destination when it is saved: an early word to a person, not the guard.

The guard is in `egress`, which judges the very address of every connect. Here a customer learns
at once what could never work, instead of from a log full of failures.
"""

import asyncio
from typing import Final

from winnerr_webhooks.domain.errors import Invalid, LocalShortage
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.egress.address_policy import REFUSALS, AddressPolicy
from winnerr_webhooks.egress.resolver import ResolveError, Resolver

LOOKUP_SECONDS: Final = 2.0
"""How long a customer waits for a name's addresses (CONTRACT, Webhooks)."""


class DestinationCheck:
    """Judges URLs by their form, their port, and what their host resolves to now."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, *, allow_http: bool) -> None:
        self._policy = policy
        self._resolver = resolver
        self._allow_http = allow_http

    async def check(self, url: str) -> tuple[str, ...]:
        """Warnings about a URL that may be saved; `Invalid` at /url when it may not.

        A name is refused when all its addresses are; one that does not resolve now may later.
        """
        destination = parse_url(url, allow_http=self._allow_http)
        if destination.address is not None:
            addresses = [destination.address]
        else:
            self._refuse([self._policy.port_refusal(destination.port)])
            try:
                async with asyncio.timeout(LOOKUP_SECONDS):
                    addresses = list(await self._resolver.resolve(destination.host))
            except ResolveError as error:
                return (f"{error} Until that is put right, deliveries to it fail.",)
            except TimeoutError:
                return ("The host name could not be looked up in time; check its spelling.",)
            except LocalShortage:
                return ("The host name could not be looked up just now; check its spelling.",)
        self._refuse(
            [
                self._policy.refusal(address, destination.port, destination.scheme)
                for address in addresses
            ]
        )
        return ()

    def _refuse(self, refusals: list[str | None]) -> None:
        first = refusals[0]
        if first is not None and None not in refusals:
            raise Invalid.field("/url", REFUSALS[first])

"""Forwarder: posts offered deliveries to the local receiver, each attempt once.

It uses the service's own outgoing client, with an address policy that allows loopback only. So the
address that is used is the one that was checked, whatever the name says.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_network
from typing import Final

from winnerr_webhooks.cli.listen.listener_values import OfferedDelivery
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Exchange, Failure, Timings
from winnerr_webhooks.domain.errors import Invalid, LocalShortage
from winnerr_webhooks.domain.url import Destination, parse_url
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver, ResolveError
from winnerr_webhooks.quotas import Bound, Budget

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds that a receiver has to answer, until the server says how many."""
RESTART_SECONDS: Final = 15.0
"""Seconds that a receiver which refuses connections gets to come back, before that is its answer.
Nothing was sent to it then, so waiting repeats nothing."""
RESTART_POLL: Final = 0.2
REMEMBERED: Final = 1_000
"""Attempts whose answers are kept, in case they are offered again."""
_ALL: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Forwarder:
    """Sends requests to one URL. Use it on one event loop only."""

    def __init__(self, forward_to: str, *, allow_external: bool, clock: Clock) -> None:
        """Raises `Invalid` if `forward_to` is not a URL."""
        self.destination: Destination = parse_url(forward_to, allow_http=True)
        self._policy = AddressPolicy(
            allow=_ALL if allow_external else _LOOPBACK, deny=_ALL, allow_http=True
        )
        self._clock = clock
        self._resolver = DnsResolver(clock=clock)
        self._timeout = DEFAULT_TIMEOUT
        self._client = self._new_client()
        self._retired: list[EgressClient] = []
        self._answers: OrderedDict[tuple[str, int], asyncio.Task[Exchange]] = OrderedDict()

    def _new_client(self) -> EgressClient:
        kept = Bound("kept_connections", 16, "connections", "constant", "", "")
        return EgressClient(
            policy=self._policy,
            resolver=self._resolver,
            clock=self._clock,
            timeout=self._timeout,
            kept=Budget(kept, self._clock),
        )

    def use_timeout(self, seconds: float) -> None:
        """Give the receiver as long as the server says, from the next request on."""
        if seconds != self._timeout:
            self._timeout = seconds
            self._retired.append(self._client)
            self._client = self._new_client()

    async def check(self) -> None:
        """Raise `Invalid` if the URL leads away from this machine and that is not allowed.

        A name that does not resolve now is left to the deliveries.
        """
        to = self.destination
        try:
            found = [to.address] if to.address else await self._resolver.resolve(to.host)
        except ResolveError:
            return
        if all(self._policy.refusal(one, to.port, to.scheme) for one in found):
            raise Invalid(
                f"--forward-to {to.host} is not this machine: events go to loopback addresses "
                "only. Give --allow-external to send them elsewhere."
            )

    async def close(self) -> None:
        """Close all connections."""
        for task in self._answers.values():
            task.cancel()
        await asyncio.gather(*self._answers.values(), return_exceptions=True)
        for client in (self._client, *self._retired):
            await client.close()
        await self._resolver.close()

    async def forward(self, offer: OfferedDelivery, on_refused: Callable[[], None]) -> Exchange:
        """Return the receiver's answer to an attempt, which is sent once however often it comes.

        `on_refused` is called when the receiver has to be waited for.
        """
        task = self._answers.get(offer.key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._send(offer, on_refused))
            self._answers[offer.key] = task
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return await asyncio.shield(task)

    async def _send(self, offer: OfferedDelivery, on_refused: Callable[[], None]) -> Exchange:
        if not self._is_ours(offer):
            return self._unsent(
                "protocol", "The server offered a request that is not for this URL."
            )
        body, ends = offer.body.encode(), self._clock.monotonic() + RESTART_SECONDS
        while True:
            try:
                exchange = await self._client.post(self.destination, "", offer.head.encode(), body)
            except LocalShortage as shortage:
                return self._unsent("connect", str(shortage))
            if not is_refused(exchange) or self._clock.monotonic() >= ends:
                return exchange
            on_refused()
            await asyncio.sleep(RESTART_POLL)

    def _is_ours(self, offer: OfferedDelivery) -> bool:
        """Whether this is one POST to our URL: the server has no say in where it goes."""
        to = self.destination
        return (
            offer.head.startswith(f"POST {to.target} HTTP/1.1\r\nHost: {to.authority}\r\n")
            and offer.head.find("\r\n\r\n") == len(offer.head) - 4
            and f"\r\nContent-Length: {len(offer.body.encode())}\r\n" in offer.head
        )

    def _unsent(self, kind: str, message: str) -> Exchange:
        return Exchange(
            started_at=self._clock.now_ms(),
            duration_ms=0.0,
            timings=Timings(),
            failure=Failure(kind=kind, message=message, phase="send"),
        )


def is_refused(exchange: Exchange) -> bool:
    """Whether nothing listens at the receiver's port."""
    return exchange.failure is not None and exchange.failure.code == "refused"

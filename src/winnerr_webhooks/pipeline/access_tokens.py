"""Access tokens: sends the requests of webhooks that authenticate with OAuth 2.0.

A token is asked for through the same egress as every request, and kept until it expires. There is
one request for it at a time for each webhook of a node, however many attempts wait for it.
"""

import asyncio
import math
from collections import OrderedDict
from typing import Final

from winnerr_webhooks import __version__
from winnerr_webhooks.clock import Clock
from winnerr_webhooks.domain.attempt import Exchange, Failure, Timings
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.credentials import OAuth2Auth
from winnerr_webhooks.domain.oauth2 import no_token, read_answer, token_request
from winnerr_webhooks.pipeline.request_template import Egress, RequestTemplate

MAX_TOKENS: Final = 4_096
"""Tokens that a node keeps; beyond that, the one that was used longest ago is dropped."""
TOKEN_SHARE: Final = 0.5
"""The part of the time that is left in which the token endpoint must answer, so that the receiver
has the rest."""
RENEWAL_PAUSE: Final = 30.0
"""Seconds between two renewals, if the receiver refused the token of the first one as well."""
LEAST_SECONDS: Final = 0.1
"""With less time left, nothing is sent again."""
_UNAUTHORIZED: Final = 401

_Key = tuple[str, OAuth2Auth]


class _Token:
    """A token that is kept. `renewed`: it replaced one that the receiver had refused."""

    __slots__ = ("asked_at", "expires_at", "is_accepted", "renewed", "value")

    def __init__(self, value: str, asked_at: float, seconds: float, *, renewed: bool) -> None:
        self.value = value
        self.asked_at = asked_at
        self.expires_at = asked_at + seconds
        self.renewed = renewed
        self.is_accepted = False
        """Whether the receiver has accepted it."""


class AccessTokens:
    """The tokens of a node. Use it on one event loop only; `timeout` is that of the egress."""

    def __init__(self, egress: Egress, *, timeout: float, branding: Branding, clock: Clock) -> None:
        self._egress = egress
        self._timeout = timeout
        self._user_agent = f"{branding.product}/{__version__}"
        self._clock = clock
        self._tokens: OrderedDict[_Key, _Token] = OrderedDict()
        self._fetches: dict[_Key, asyncio.Task[_Token | Failure]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    async def post(
        self, template: RequestTemplate, auth: OAuth2Auth, head: bytes, body: bytes
    ) -> Exchange:
        """Send a request with a token; without one, the result says why there is none.

        If the receiver answers 401, the token is replaced and the request is sent again, once, in
        the time that is left. The result is then the second answer. Raises `LocalShortage` as
        `Egress.post`.
        """
        limit = self._timeout
        if template.target.timeout is not None:
            limit = min(limit, template.target.timeout)
        started_at, end = self._clock.now_ms(), self._clock.monotonic() + limit
        refused: _Token | None = None
        while True:
            token = await self._token(template, auth, end, refused)
            if isinstance(token, Failure):
                return Exchange(
                    started_at=started_at,
                    duration_ms=(self._clock.monotonic() - (end - limit)) * 1000,
                    timings=Timings(),
                    failure=token,
                )
            exchange = await self._egress.post(
                template.destination,
                template.organization,
                template.with_token(head, token.value),
                body,
                min(_tenths(end - self._clock.monotonic()), limit),
            )
            if exchange.status != _UNAUTHORIZED:
                token.is_accepted = token.is_accepted or exchange.status is not None
                return exchange
            is_last = refused is not None or not self._is_renewed(token, end)
            if is_last:
                return exchange
            refused = token

    async def close(self) -> None:
        """Ask for no more tokens."""
        fetches = list(self._fetches.values())
        for fetch in fetches:
            fetch.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)

    def _is_renewed(self, token: _Token, end: float) -> bool:
        """Whether a refused token is to be replaced now.

        A receiver that refuses every token is not a reason to ask for one with each attempt.
        """
        now = self._clock.monotonic()
        in_vain = token.renewed and not token.is_accepted
        if in_vain and now - token.asked_at < RENEWAL_PAUSE:
            return False
        return end - now > LEAST_SECONDS

    async def _token(
        self, template: RequestTemplate, auth: OAuth2Auth, end: float, refused: _Token | None
    ) -> _Token | Failure:
        """Return a token other than `refused`: the one that is kept, or a new one."""
        key = (template.target.webhook_id, auth)
        now = self._clock.monotonic()
        kept = self._tokens.get(key)
        if kept is not None and kept is not refused and now < kept.expires_at:
            self._tokens.move_to_end(key)
            return kept
        limit = max((end - now) * TOKEN_SHARE, LEAST_SECONDS)
        fetch = self._fetches.get(key)
        if fetch is None:
            fetching = self._fetch(key, template.organization, limit, renewed=refused is not None)
            fetch = self._fetches[key] = asyncio.get_running_loop().create_task(fetching)
            fetch.add_done_callback(lambda task: self._fetched(key, task))
        try:
            async with asyncio.timeout(limit):
                return await asyncio.shield(fetch)  # it is not ended by one attempt that ends
        except TimeoutError:
            return no_token("timeout")

    async def _fetch(
        self, key: _Key, organization: str, limit: float, *, renewed: bool
    ) -> _Token | Failure:
        destination, head, body = token_request(key[1], self._user_agent)
        asked_at = self._clock.monotonic()
        exchange = await self._egress.post(destination, organization, head, body, limit)
        issued = read_answer(exchange)
        if isinstance(issued, Failure):
            return issued
        token = _Token(issued.value, asked_at, issued.seconds, renewed=renewed)
        self._tokens[key] = token
        self._tokens.move_to_end(key)
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)
        return token

    def _fetched(self, key: _Key, fetch: "asyncio.Task[_Token | Failure]") -> None:
        del self._fetches[key]
        if not fetch.cancelled():
            fetch.exception()  # those who wait get it; without any, it is nobody's


def _tenths(seconds: float) -> float:
    """Return at least `seconds`, as the message of a timeout shows them."""
    return max(math.ceil(seconds * 10) / 10, LEAST_SECONDS)

"""The demo as a client of the API."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from winnerr_webhooks.cli.api_client import Answer, call, refusal
from winnerr_webhooks.domain.errors import Unavailable, WebhooksError

ORGANIZATION = "org_demo"
_BUSY = 503
_PATIENCE_SECONDS = 0.2


class Api:
    """Calls as the demo's organization; each waits until the server answers (`ready`)."""

    def __init__(self, url: str, key: str, ready: asyncio.Event) -> None:
        self.url = url
        self.key = key
        self.organization_path = f"/api/v1/organizations/{ORGANIZATION}"
        self._ready = ready
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="demo-api")

    async def get(self, path: str) -> Any:
        """Read; `WebhooksError` says why not."""
        return await self.send("GET", path)

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call, and decode the answer; `WebhooksError` says why it was refused."""
        answer = await self._call(method, path, body)
        if not answer.accepted:
            raise WebhooksError("The demo's own call was refused: " + " ".join(refusal(answer)))
        return msgspec.json.decode(answer.body)

    async def emit(self, event: dict[str, Any]) -> Any:
        """Send an event until it is accepted: a lost answer is repeated with the same `id`."""
        while True:
            await self._ready.wait()
            try:
                answer = await self._call("POST", "/api/v1/events", event)
            except Unavailable:
                await asyncio.sleep(_PATIENCE_SECONDS)
                continue
            if answer.accepted:
                return msgspec.json.decode(answer.body)
            if answer.status != _BUSY:
                raise WebhooksError("An event was refused: " + " ".join(refusal(answer)))
            await asyncio.sleep(_PATIENCE_SECONDS)

    async def sign_in_link(self) -> str:
        """A one-time link into the settings page."""
        path = f"{self.organization_path}/portal-sessions"
        answer = await self.send("POST", path, {"role": "admin", "user": "Demo"})
        return str(answer["url"])

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        encoded = None if body is None else msgspec.json.encode(body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: call(self.url, self.key, method, path, encoded)
        )

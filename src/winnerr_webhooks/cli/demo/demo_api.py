"""The demo's client of the REST API."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from winnerr_webhooks.cli.api_client import Answer, call, refusal
from winnerr_webhooks.domain.errors import Unavailable, WebhooksError

ORGANIZATION = "org_demo"
_BUSY = 503
_RETRY_SECONDS = 0.2


class DemoApi:
    """Calls the API as the demo's organization. `ready` is set while the server answers."""

    def __init__(self, url: str, key: str, ready: asyncio.Event) -> None:
        self.url = url
        self.key = key
        self.organization_path = f"/api/v1/organizations/{ORGANIZATION}"
        self._ready = ready
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="demo-api")

    async def get(self, path: str) -> Any:
        """Send a GET request and return the decoded answer. Raises `WebhooksError`."""
        return await self.send("GET", path)

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request and return the decoded answer. Raises `WebhooksError` if it is refused."""
        answer = await self._call(method, path, body)
        if not answer.accepted:
            raise WebhooksError("A call of the demo was refused: " + " ".join(refusal(answer)))
        return msgspec.json.decode(answer.body)

    async def emit(self, event: dict[str, Any]) -> Any:
        """Send an event, and repeat it with the same `id` until it is accepted."""
        while True:
            await self._ready.wait()
            try:
                answer = await self._call("POST", "/api/v1/events", event)
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if answer.accepted:
                return msgspec.json.decode(answer.body)
            if answer.status != _BUSY:
                raise WebhooksError("An event was refused: " + " ".join(refusal(answer)))
            await asyncio.sleep(_RETRY_SECONDS)

    async def sign_in_link(self) -> str:
        """Return a one-time link to the settings page."""
        path = f"{self.organization_path}/portal-sessions"
        answer = await self.send("POST", path, {"role": "admin", "user": "Demo"})
        return str(answer["url"])

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=False)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        encoded = None if body is None else msgspec.json.encode(body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: call(self.url, self.key, method, path, encoded)
        )

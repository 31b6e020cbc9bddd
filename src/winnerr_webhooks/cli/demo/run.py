"""One run of the demo: sets up its folder, server, receiver and webhooks, and sends events."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from winnerr_webhooks.cli.demo.demo_api import ORGANIZATION, DemoApi
from winnerr_webhooks.cli.demo.demo_server import DemoServer
from winnerr_webhooks.cli.demo.demo_webhooks import ensure_webhooks
from winnerr_webhooks.cli.demo.planned_failures import ATTEMPTS, RETRY_SCHEDULE
from winnerr_webhooks.cli.demo.receiver import Arrival, Receiver
from winnerr_webhooks.cli.demo.sample_events import sample_events
from winnerr_webhooks.cli.demo.screen import Screen, Tally
from winnerr_webhooks.cli.keys_command import create_key
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import environment, load
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import WebhooksError
from winnerr_webhooks.settings_table import PREFIX

_DATABASE = "webhooks.db"


class Demo:
    """One run of the demo in `folder`: `rate` events a second, for `seconds` or until Ctrl-C."""

    def __init__(self, folder: Path, rate: float, seconds: float | None) -> None:
        self._folder = folder.absolute()
        self._rate = rate
        self._seconds = seconds
        self._clock = SystemClock()
        self._screen = Screen(self._clock)
        self._tally = Tally()
        self._stop = asyncio.Event()
        self._api: DemoApi | None = None

    async def run(self) -> bool:
        """Run the demo; return whether all signatures were valid and something was delivered."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = _settings(self._folder)
        key = await asyncio.to_thread(_key, self._folder, settings)
        async with self._receiver() as receiver, self._server(settings) as server:
            self._api = api = DemoApi(settings[f"{PREFIX}PUBLIC_URL"], key, server.ready)
            receiver.secrets |= await ensure_webhooks(api, receiver.port)
            self._screen.welcome(api, await api.sign_in_link(), self._folder, server.pid)
            await self._until_stopped(server, api)
            pending = await self._pending(api)
        api.close()
        waiting = len(pending - self._tally.delivered)  # some arrived while the server stopped
        self._screen.summary(self._tally, waiting, self._folder)
        return self._tally.succeeded

    async def _until_stopped(self, server: DemoServer, api: DemoApi) -> None:
        """Send events until Ctrl-C, until the time is over, or until the server cannot run."""
        tasks = [
            asyncio.create_task(self._emit(api)),
            asyncio.create_task(server.wait()),
            asyncio.create_task(self._stop.wait()),
        ]
        done, pending = await asyncio.wait(
            tasks, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    async def _emit(self, api: DemoApi) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for event in sample_events(CATALOG, ORGANIZATION, self._clock):
            accepted = await api.emit(event)
            self._tally.accepted += 1
            self._tally.deliveries += accepted["deliveries"]
            due = max(due + 1 / self._rate, loop.time() - 1)  # no long burst after a pause
            await asyncio.sleep(due - loop.time())

    async def _pending(self, api: DemoApi) -> set[str]:
        """Return up to 500 pending deliveries; none if the server does not answer."""
        try:
            page = await api.get(f"{api.organization_path}/deliveries?status=pending&limit=500")
        except WebhooksError:
            return set()
        return {delivery["id"] for delivery in page["items"]}

    @contextlib.asynccontextmanager
    async def _receiver(self) -> AsyncIterator[Receiver]:
        receiver = Receiver(self._clock, self._arrived)
        await receiver.start()
        try:
            yield receiver
        finally:
            await receiver.stop()

    @contextlib.asynccontextmanager
    async def _server(self, settings: dict[str, str]) -> AsyncIterator[DemoServer]:
        own = {k: v for k, v in environment().items() if not k.startswith(PREFIX)}
        environ = own | settings
        server = DemoServer(environ, self._folder / "server.log", self._killed)
        try:
            await server.start()
            yield server
        finally:
            await server.stop()

    def _arrived(self, arrival: Arrival) -> None:
        self._tally.count(arrival)
        self._screen.arrival(arrival)
        last = arrival.attempt == ATTEMPTS
        if self._api and last and arrival.behaviour.status != 200:  # noqa: PLR2004  success
            self._screen.gave_up(self._api, arrival)

    def _killed(self, code: int) -> None:
        self._tally.restarts += 1
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self._screen.say(
            f"The server was {how}. Nothing is lost: it is started again.", "bold magenta"
        )


def _settings(folder: Path) -> dict[str, str]:
    """Return the server's settings: it may reach this machine, and retries come quickly."""
    port = _free_port()
    values = {
        "DATABASE_URL": f"sqlite:///{folder / _DATABASE}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ALLOW_HTTP": "true",
        "ALLOW_NETWORKS": "127.0.0.0/8",
        "RETRY_SCHEDULE": ",".join(map(str, RETRY_SCHEDULE)),
    }
    return {PREFIX + name: value for name, value in values.items()}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _key(folder: Path, settings: dict[str, str]) -> str:
    """Return the API key of this folder; the first run creates it."""
    file = folder / "api-key"
    if file.exists() and (folder / _DATABASE).exists():
        return file.read_text().strip()
    key = create_key(load(settings), "demo", None)
    file.touch(mode=0o600)
    file.write_text(key + "\n")
    return key

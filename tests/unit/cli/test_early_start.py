"""`serve` is ready before it has loaded what events do not need, such as its web framework."""

import asyncio
import os
import sys

import pytest
from tests.server import Server

HELD_BACK = ("litestar", "jinja2", "markupsafe", "anyio", "multipart", "yaml", "rich", "typer")
"""What must not be loaded before a node is ready: it would be ready later."""

PROGRAM = f"""
import importlib.abc, sys

class Gate(importlib.abc.MetaPathFinder):
    '''Lets an import of what is held back wait until the test opens its pipe.'''

    def find_spec(self, name, path, target=None):
        if name in {HELD_BACK}:
            with open("gate") as gate:
                if error := gate.read():
                    raise ImportError(error)
            sys.meta_path.remove(self)
        return None

sys.meta_path.insert(0, Gate())
from winnerr_webhooks.cli.main import main
main()
"""


@pytest.fixture
async def server(tmp_path):
    """A server whose loading of the web framework waits for `open_gate`."""
    os.mkfifo(tmp_path / "gate")
    server = Server(tmp_path, {})
    # With an option, so that it is not forked from a process that has loaded everything.
    server.program = [sys.executable, "-B", "-c", PROGRAM]
    yield await server.start()
    await server.close()


async def open_gate(server, error=""):
    await asyncio.to_thread((server.folder / "gate").write_text, error)


async def test_it_takes_events_before_and_answers_the_rest_once_it_is_loaded(server):
    webhooks = asyncio.create_task(server.call("GET", "~/webhooks"))
    page = asyncio.create_task(server.call("GET", "/settings/webhooks"))
    assert (await server.call("GET", "/readyz"))[0] == 200
    assert (await server.call("GET", "/healthz"))[0] == 200
    event = {"event": "contact.created", "organizationId": "org_1", "data": {"id": "c1"}}
    for _ in range(2):  # the second takes the fast path
        assert (await server.call("POST", "/api/v1/events", event))[0] == 202
    assert (await server.call("POST", "/api/v1/events/batch", [event]))[0] == 202
    assert not webhooks.done()
    assert not page.done()
    await open_gate(server)
    assert await webhooks == (200, {"items": []})
    assert (await page)[0] == 401


@pytest.mark.thorough
async def test_a_stop_while_it_loads_still_answers_who_waits(server):
    waiting = asyncio.create_task(server.call("GET", "~/webhooks"))
    await server.call("GET", "/readyz")
    server.process.terminate()
    await open_gate(server)
    assert (await waiting)[0] == 200
    assert await asyncio.wait_for(server.process.wait(), server.patience) == 0


async def test_it_ends_with_the_error_when_the_loading_fails_and_answers_who_waits(server):
    waiting = asyncio.create_task(server.call("GET", "~/webhooks"))
    await server.call("GET", "/readyz")
    await open_gate(server, "the framework is broken")
    assert (await waiting)[0] == 500
    assert await asyncio.wait_for(server.process.wait(), server.patience) == 1
    await server._output
    assert "ImportError: the framework is broken\n" in server.log

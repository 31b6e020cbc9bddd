"""`serve`: options take precedence over variables, and it shuts down in order."""

import asyncio
import json
import os
import re
import signal
import sys

import aiohttp
import pytest
from tests.server import PAUSE

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_and_ctrl_c_end_it_with_exit_code_0(make_server, number):
    server = await make_server()
    server.process.send_signal(number)
    assert await asyncio.wait_for(server.process.wait(), 60) == 0


async def test_an_option_takes_precedence_over_its_variable(server):
    """A wrong variable would stop the start, but the option replaces it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "winnerr_webhooks", "serve",
        "--port", "0", "--database-url", "sqlite:///option.db", "--no-allow-http",
        env=server.environment | {"WINNERR_WEBHOOKS_PORT": "wrong"},
        cwd=server.folder,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert b"listens on http://127.0.0.1:" in line
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert (server.folder / "option.db").exists()


@pytest.mark.thorough
async def test_it_starts_without_a_library_that_only_its_web_framework_could_use(server):
    """Pydantic takes a sixth of the start. The API and its reference work without it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "importtime", "-m", "winnerr_webhooks", "serve", "--port", "0",
        env=server.environment | {"WINNERR_WEBHOOKS_DATABASE_URL": "sqlite:///light.db"},
        cwd=server.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    url = line.decode().split()[4]
    async with aiohttp.ClientSession() as caller, caller.get(f"{url}/api/openapi.json") as answer:
        assert answer.status == 200
        assert "/api/v1/events" in (await answer.json(content_type=None))["paths"]
    process.terminate()
    _, imports = await asyncio.wait_for(process.communicate(), 60)
    assert b"litestar" in imports
    assert b"pydantic_core" not in imports


async def test_it_listens_on_an_ipv6_address(server):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "winnerr_webhooks", "serve",
        "--host", "::1", "--port", "0", "--database-url", "sqlite:///ipv6.db",
        env=server.environment,
        cwd=server.folder,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    url = re.search(r"http://\[::1\]:\d+", line)[0]
    async with server.session.get(f"{url}/healthz") as answer:
        assert answer.status == 200
    headers = {"Authorization": "Bearer unknown"}
    async with server.session.post(f"{url}/api/v1/events", json={}, headers=headers) as answer:
        assert answer.status == 401
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0


EMBEDDED = """
import asyncio
from winnerr_webhooks import config, wiring
def say(url):
    print(url, flush=True)
asyncio.run(wiring.serve(config.load(config.environment()), on_started=say))
"""


@pytest.mark.parametrize(
    "program", [("-m", "winnerr_webhooks", "serve"), ("-c", EMBEDDED)], ids=["command", "embedded"]
)
async def test_its_log_on_stderr_reports_start_and_end(server, program):
    own = {"PORT": "0", "DATABASE_URL": "sqlite:///log.db", "LOG_FORMAT": "json"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program,
        env=server.environment | {f"WINNERR_WEBHOOKS_{name}": own[name] for name in own},
        cwd=server.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert b"http://127.0.0.1:" in await asyncio.wait_for(process.stdout.readline(), 60)
    process.terminate()
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert out == b""
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["starting", "started", "stopping", "stopped"]
    assert lines[0]["database"] == "log.db"
    assert lines[1]["url"].startswith("http://127.0.0.1:")


async def test_while_it_drains_it_is_not_ready_but_still_works(make_server):
    """A load balancer must see that it is not ready before calls fail."""
    server = await make_server(DRAIN_SECONDS="60")
    await server.emit()
    server.process.terminate()
    async with asyncio.timeout(60):
        while (await server.call("GET", "/readyz"))[0] != 503:
            await asyncio.sleep(PAUSE)
    assert (await server.call("GET", "/healthz"))[0] == 200
    await server.emit()  # raises unless it is accepted
    server.process.terminate()
    assert await asyncio.wait_for(server.process.wait(), 60) == -signal.SIGTERM


async def test_after_draining_it_ends_in_order(make_server):
    server = await make_server(DRAIN_SECONDS="0.2")
    server.process.terminate()
    assert await asyncio.wait_for(server.process.wait(), 60) == 0


async def test_a_port_in_use_is_one_line_naming_it(server):
    code, _, err = await server.command("serve", "--database-url", "sqlite:///other.db")
    assert code == os.EX_TEMPFAIL
    (line,) = err.splitlines()
    assert "WINNERR_WEBHOOKS_PORT" in line
    assert str(server.port) in line


async def test_a_second_signal_ends_it_at_once(make_server, receiver, answer):
    """The first signal waits for the receiver, which never answers."""
    server = await make_server(DELIVERY_TIMEOUT="60")
    receiver.answer = lambda _request: answer(hang=True)
    await server.webhook(receiver.url)
    await server.emit()
    await receiver.wait_for(1)
    server.process.terminate()
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionError:  # refused; or reset, as it closed just then
                break
            writer.close()
    assert server.process.returncode is None
    server.process.terminate()
    assert await asyncio.wait_for(server.process.wait(), 60) == -signal.SIGTERM

"""Options of `serve` that need no parser, and what a start leaves out for that."""

import asyncio
from pathlib import Path

import pytest

from winnerr_webhooks.cli.configuration import plain_options


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (["--port", "8401"], {"port": "8401"}),
        (["--port=8401", "--host", "::1"], {"port": "8401", "host": "::1"}),
        (["--port", "1", "--port", "2"], {"port": "2"}),
        (["--sign-in-url="], {"sign_in_url": ""}),
        (["--allow-http"], {"allow_http": "true"}),
        (["--allow-http", "--no-allow-http"], {"allow_http": "false"}),
    ],
)
def test_options_that_are_settings_are_read(words, settings):
    assert plain_options(words) == settings


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--prot", "1"],
        ["extra"],
        ["--port"],
        ["--port", "--host"],
        ["--port", "-1"],
        ["--allow-http=1"],
        ["--no-port", "1"],
        ["--", "--port"],
    ],
)
def test_anything_else_is_left_to_the_parser_that_explains_it(words):
    assert plain_options(words) is None


@pytest.mark.asyncio(loop_scope="session")
async def test_a_server_loads_no_library_that_only_its_dependencies_would_like(server):
    """Typer's and Litestar's use of pydantic alone took a third of the time of a start."""
    modules = await _modules_of(server.process.pid)
    assert modules
    assert not [path for path in modules if "/pydantic" in path]


async def _modules_of(pid: int) -> list[str]:
    """The shared objects that a process has loaded: each of these libraries has one."""
    maps = await asyncio.to_thread(Path(f"/proc/{pid}/maps").read_text)
    return [line.split()[-1] for line in maps.splitlines() if line.endswith(".so")]

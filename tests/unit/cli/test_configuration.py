"""The options of `serve` that are read without the full parser."""

import subprocess
import sys

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
def test_anything_else_is_left_to_the_full_parser(words):
    assert plain_options(words) is None


def test_a_server_starts_without_what_it_needs_later_or_never():
    """So a restarted service is ready soon: a parser of commands, drivers, the API's reference."""
    script = "import sys, winnerr_webhooks.cli, winnerr_webhooks.wiring; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert "winnerr_webhooks.pipeline.node" in loaded
    assert not loaded & {
        "typer", "litestar", "jinja2", "apsw", "asyncpg",
        "winnerr_webhooks.api.docs.openapi_document",
    }  # fmt: skip

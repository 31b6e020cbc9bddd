"""Runs the console script in this process, from arguments to exit code."""

import contextvars
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from winnerr_webhooks.cli import main
from winnerr_webhooks.config import PREFIX


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch, capsys, tmp_path: Path):
    """Run a command in an empty folder with only these settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)

    configure = structlog.configure

    def configure_for_now(**options: object) -> None:
        # A logger kept for good would write into this test's capture when that is closed.
        configure(**options | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_for_now)

    def command(*words: str, stdin: str = "", **settings: str) -> Done:
        for name, value in settings.items():
            monkeypatch.setenv(PREFIX + name, value)
        monkeypatch.setattr(sys, "argv", ["winnerr-webhooks", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as end:
            contextvars.copy_context().run(main)  # it acts as the user of this machine
        out, err = capsys.readouterr()
        code = end.value.code
        return Done(code if isinstance(code, int) else 0, out, err)

    yield command
    structlog.reset_defaults()

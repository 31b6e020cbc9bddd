"""The console script: one module a command, each importing what it needs when it runs."""

from winnerr_webhooks.cli.main import main

__all__ = ["main"]

"""The console script. Each command is a module, which imports what it needs when it runs."""

from winnerr_webhooks.cli.main import main

__all__ = ["main"]

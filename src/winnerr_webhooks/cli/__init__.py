from winnerr_webhooks.cli.app import main

__all__ = ["main"]

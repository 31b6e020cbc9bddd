"""`demo`: a server, a receiver that verifies every signature, and events flowing."""

from winnerr_webhooks.cli.demo.command import demo

__all__ = ["demo"]

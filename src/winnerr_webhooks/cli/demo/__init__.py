"""`demo`: a server, a receiver that verifies every signature, and events flowing."""

from winnerr_webhooks.cli.demo.demo_command import demo

__all__ = ["demo"]

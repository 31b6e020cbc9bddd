"""`demo`: runs a server, a receiver that verifies every signature, and a stream of events."""

from winnerr_webhooks.cli.demo.demo_command import demo

__all__ = ["demo"]

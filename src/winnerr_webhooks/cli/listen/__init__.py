"""`listen`: receives an organization's events on this machine, over an outgoing connection only."""

from winnerr_webhooks.cli.listen.listen_command import listen

__all__ = ["listen"]

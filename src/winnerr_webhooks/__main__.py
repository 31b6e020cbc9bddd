"""Runs the console script as `python -m winnerr_webhooks`."""

from winnerr_webhooks.cli import main

main()

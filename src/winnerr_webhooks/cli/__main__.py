"""`python -m winnerr_webhooks.cli`: the console script where none is installed."""

from winnerr_webhooks.cli.app import main

main()

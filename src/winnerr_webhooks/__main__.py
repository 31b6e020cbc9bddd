"""`python -m winnerr_webhooks` is the console script."""

from winnerr_webhooks.cli import main

main()

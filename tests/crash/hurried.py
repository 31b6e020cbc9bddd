"""The program with short leases.

A lease is much longer than the longest attempt. A test that kills a process would wait a minute
until other nodes take over what the process had leased. Short tests run this program instead.
"""

from winnerr_webhooks.cli import main
from winnerr_webhooks.config import Config
from winnerr_webhooks.pipeline import background_loops, rehearser
from winnerr_webhooks.storage.postgres import postgres_road

LEASE_SECONDS = 10.0
REPAIR_SECONDS = 1.0

if __name__ == "__main__":
    Config.lease_seconds = property(lambda _config: LEASE_SECONDS)
    background_loops.REPAIR_EVERY = REPAIR_SECONDS
    rehearser.LEASE_SLACK = rehearser.POLL = REPAIR_SECONDS
    postgres_road.ANOTHERS_TURN_MS = round(REPAIR_SECONDS * 500)
    main()

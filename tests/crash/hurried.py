"""The program itself, but what it leaves alone for a minute it leaves alone for seconds.

A lease outlasts the longest attempt by far, so a test that kills a process has to wait for a
minute until others take over what it had. Short tests run this instead.
"""

from winnerr_webhooks.cli import main
from winnerr_webhooks.config import Config
from winnerr_webhooks.pipeline import reclaim
from winnerr_webhooks.storage.postgres import postgres_road

LEASE_SECONDS = 10.0
REPAIR_SECONDS = 1.0

if __name__ == "__main__":
    Config.lease_seconds = property(lambda _config: LEASE_SECONDS)
    reclaim.REPAIR_EVERY = REPAIR_SECONDS
    postgres_road.ANOTHERS_TURN_MS = round(REPAIR_SECONDS * 500)
    main()

"""The program with short deadlines for listeners and leases, so that tests need not wait for them.

On PostgreSQL nobody knows that a killed node is dead, so what it had leased waits for its leases.
"""

from winnerr_webhooks.cli import main
from winnerr_webhooks.cli.listen import forwarder, server_link
from winnerr_webhooks.config import Config
from winnerr_webhooks.pipeline import background_loops, listener_hub, listener_stream
from winnerr_webhooks.storage.postgres import postgres_road

HEARTBEAT_SECONDS = 0.3
SILENCE_SECONDS = 2.0
ANSWER_SLACK = 1.0
RESTART_SECONDS = 1.5
LEASE_SECONDS = 10.0
REPAIR_SECONDS = 1.0

if __name__ == "__main__":
    Config.lease_seconds = property(lambda _config: LEASE_SECONDS)
    background_loops.REPAIR_EVERY = REPAIR_SECONDS
    postgres_road.ANOTHERS_TURN_MS = round(REPAIR_SECONDS * 500)
    listener_stream.HEARTBEAT_SECONDS = HEARTBEAT_SECONDS
    listener_hub.ANSWER_SLACK = ANSWER_SLACK
    listener_hub.CHECK_SECONDS = HEARTBEAT_SECONDS
    server_link.SILENCE_SECONDS = SILENCE_SECONDS
    server_link.LONGEST_WAIT = HEARTBEAT_SECONDS
    forwarder.RESTART_SECONDS = RESTART_SECONDS
    main()

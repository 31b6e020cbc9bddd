"""One of several processes of `serve`: started by the supervisor, never by hand.

`python -m winnerr_webhooks.cli.process serve OPTIONS… MEMBERSHIP`
"""

import sys

from winnerr_webhooks.cli.main import main
from winnerr_webhooks.processes.membership import Membership

if __name__ == "__main__":
    membership = Membership.decode(sys.argv.pop())
    membership.end_with_supervisor()
    main(membership)

"""The entry point of a worker process of `serve`. Only the supervisor starts it.

`python -m winnerr_webhooks.cli.worker_process serve OPTIONS… CONTEXT`
"""

import sys

from winnerr_webhooks.cli.main import main
from winnerr_webhooks.processes.worker_context import WorkerContext

if __name__ == "__main__":
    worker = WorkerContext.decode(sys.argv.pop())
    worker.end_with_supervisor()
    main(worker)

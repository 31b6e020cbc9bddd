"""The entry point of the demo's server: runs `serve` until the demo ends, even by `kill -9`."""

import os
import signal
import sys
import threading

from winnerr_webhooks.cli.main import main


def _end_with_parent() -> None:
    """Wait until stdin is closed, which happens when the demo has ended; then end, too."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    sys.argv[1:] = ["serve"]
    main()

"""The demo's server process: `serve`, which ends when the demo does, however that ends."""

import os
import signal
import sys
import threading

from winnerr_webhooks.cli.main import main


def _end_with_parent() -> None:
    """Wait until the other end of stdin is closed: by the demo's end, even by its `kill -9`."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    sys.argv[1:] = ["serve"]
    main()

"""The entry point of the console script: runs a command, and reports an error in one line."""

import os
import sys
from typing import NoReturn

from winnerr_webhooks.cli.configuration import PROGRAM, configure, plain_options
from winnerr_webhooks.cli.run_server import run_server
from winnerr_webhooks.domain.errors import (
    CannotStart,
    ConfigurationError,
    Invalid,
    WebhooksError,
)
from winnerr_webhooks.processes.worker_context import WorkerContext

FAILED = 1
WRONG_USE = 2
CANNOT_START_NOW = os.EX_TEMPFAIL
WRONG_CONFIGURATION = os.EX_CONFIG


def main(worker: WorkerContext | None = None) -> None:
    """Run a command and exit: 0 for success, 1 for a failure, 2 for wrong usage.

    78 means a wrong setting, and 75 that the start is not possible now (sysexits.h). A service
    manager should try again after 75, but not after 78.

    `worker` is set if this is a worker process of `serve` (`cli.worker_process`).
    """
    try:
        code = _run(sys.argv[1:], worker)
    except Invalid as error:
        _fail(str(error), WRONG_USE)
    except ConfigurationError as error:
        _fail(str(error), WRONG_CONFIGURATION)
    except CannotStart as error:
        _fail(str(error), CANNOT_START_NOW)
    except WebhooksError as error:
        _fail(str(error), FAILED)
    except BrokenPipeError:  # `… | head` needs no message, nor one from Python's final flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", FAILED)
    sys.exit(code)


def _run(words: list[str], worker: WorkerContext | None) -> int | None:
    """Run the command in `words` and return its exit code.

    `serve` with only settings as options does not load the full parser, which would take a third of
    the start time.
    """
    if words[:1] == ["serve"] and (options := plain_options(words[1:])) is not None:
        return run_server(configure(options), worker)
    from winnerr_webhooks.cli.commands import run  # noqa: PLC0415  see above

    return run(worker)


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    sys.stderr.write(f"{PROGRAM}: {line}\n")
    sys.exit(code)

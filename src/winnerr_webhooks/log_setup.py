"""Sets up structured logging: JSON or readable lines on stderr, with secrets hidden."""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog

_SECRET_NAMES: Final = ("secret", "authorization", "password", "token", "api_key", "signature")


def set_up_logs(level: str = "info", form: str = "") -> None:
    """Write log lines to stderr, as JSON (`form` is `json`) or readable lines (`console`).

    With an empty `form`, lines are readable on a terminal, and JSON elsewhere. Messages of
    libraries (`logging`) and Python's warnings have the same form, from the level `warning` on.
    """
    readable = form == "console" or (not form and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    stream = cast(TextIO, _LossyStream(sys.stderr))
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        # One write a line, so that lines of several processes do not mix, even without a buffer.
        # A pipe mixes those beyond PIPE_BUF all the same: 4,096 bytes on Linux.
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _redirect_standard_logging(stream, shared, renderers)


def _redirect_standard_logging(stream: TextIO, shared: list[Any], renderers: list[Any]) -> None:
    """Write records of the standard library's `logging` in the same form, unless it is set up."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class _LossyStream:
    """A stream that drops lines it cannot write, instead of raising.

    A full disk, or a pipe whose reader has died, must not make the code that logs fail: it may be
    in the middle of an attempt.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide the value of each field whose name sounds like a secret, as a last line of defence."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_NAMES):
            event[name] = "(hidden)"
    return event

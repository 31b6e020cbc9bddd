"""Loads the settings of a command from the environment and from its options."""

import sys
from collections.abc import Mapping, Sequence

from winnerr_webhooks import config
from winnerr_webhooks.config import Config
from winnerr_webhooks.settings_table import SETTINGS

PROGRAM = "winnerr-webhooks"
"""The name of the console script."""


def configure(overrides: Mapping[str, str] | None = None) -> Config:
    """Load the settings. Prints a warning for each unknown variable with the product's prefix."""
    environ = config.environment()
    for line in config.warnings(environ):
        sys.stderr.write(f"warning: {line}\n")
    return config.load(environ, overrides)


def plain_options(words: Sequence[str]) -> dict[str, str] | None:
    """Parse options that are settings (`--port 8400`) into a dict by field; None for anything else.

    It accepts `--port 8400`, `--port=8400`, `--allow-http` and `--no-allow-http`. All other words,
    including mistakes, are left to the full parser, which can explain them.
    """
    fields = {setting.option: setting.field for setting in SETTINGS}
    flags = {
        option for option, field in fields.items() if isinstance(getattr(Config(), field), bool)
    }
    switched = {f"--no-{option[2:]}": option for option in flags}
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not equals and (option in flags or option in switched):
            found[fields[switched.get(option, option)]] = str(option in flags).lower()
            continue
        if option in flags or option not in fields:
            return None
        if not equals:
            value = next(rest, "-")
            if value.startswith("-"):
                return None
        found[fields[option]] = value
    return found

"""A configuration of one setting, and what is said if it is wrong."""

import pytest

from winnerr_webhooks.config import PREFIX, Config, load
from winnerr_webhooks.domain.errors import ConfigurationError


def one(name: str, value: str) -> Config:
    return load({PREFIX + name: value}, {})


def error(name: str, value: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        one(name, value)
    return str(caught.value)

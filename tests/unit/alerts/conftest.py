"""A database of the test's own, with a clock that is moved by hand."""

from pathlib import Path

import pytest

from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.encryption_keys import EncryptionKey
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.sqlite import SqliteStorage


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def storage(sqlite_path: Path, clock):
    opened = await SqliteStorage.open(
        sqlite_path,
        clock=clock,
        keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
        exclusive=True,
        rules=FailureRules(raises_alerts=True),
    )
    yield opened
    await opened.close()

"""A storage on a real file, and a few words to fill it with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.event import NewEvent
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.storage.sqlite import SqliteStorage, threads
from winnerr_webhooks.storage.values import NewWebhook

Open = Callable[..., Awaitable[SqliteStorage]]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that a busy machine keeps waiting fails nothing: only the deadlines' own tests do."""
    monkeypatch.setattr(threads, "TICK", 3_600.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "webhooks.db"


@pytest.fixture
def keyring() -> Keyring:
    return Keyring((EncryptionKey("k1", bytes(32)),))


@pytest.fixture
async def open_storage(path: Path, keyring: Keyring) -> AsyncIterator[Open]:
    opened: list[SqliteStorage] = []

    async def open_(**options: Any) -> SqliteStorage:
        settings = {"clock": SystemClock(), "keyring": keyring, "exclusive": True} | options
        storage = await SqliteStorage.open(settings.pop("path", path), **settings)
        opened.append(storage)
        return storage

    yield open_
    for storage in opened:
        await storage.close()


@pytest.fixture
async def storage(open_storage: Open) -> SqliteStorage:
    return await open_storage()


@pytest.fixture
def new_event() -> Callable[..., NewEvent]:
    ids = Ids(SystemClock())

    def make(organization: str = "org_1", body: bytes = b"{}") -> NewEvent:
        return NewEvent(
            id=ids.new("evt"), organization=organization, name="contact.created", body=body
        )

    return make


@pytest.fixture
def new_webhook() -> Callable[..., NewWebhook]:
    ids = Ids(SystemClock())

    def make(organization: str = "org_1", secret: str | None = None) -> NewWebhook:
        return NewWebhook(
            id=ids.new("wh"),
            organization=organization,
            url="https://hooks.example.com/",
            description=None,
            events=("*",),
            secret=secret,
        )

    return make

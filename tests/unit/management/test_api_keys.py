"""API keys are shown once, work at once, and stop working when they are revoked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring, hash_key
from winnerr_webhooks.domain.errors import Invalid, NotFound
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.management.api_keys import ApiKeys
from winnerr_webhooks.storage.sqlite import SqliteStorage


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    opened = await SqliteStorage.open(
        tmp_path / "test.db",
        clock=SystemClock(),
        keyring=Keyring((EncryptionKey("k1", bytes(32)),)),
        exclusive=False,
    )
    yield opened
    await opened.close()


@pytest.fixture
def keys(storage):
    clock = SystemClock()
    return ApiKeys(storage, clock, Ids(clock))


async def test_a_key_is_found_by_its_hash_and_listed_without_the_secret(keys, storage):
    service = await keys.create("CRM backend")
    own = await keys.create(" Acme ", "org_1")
    assert service.secret.startswith("wwk_")
    assert await storage.key_by_hash(hash_key(service.secret)) == service.key
    assert (service.key.organization, own.key.organization) == (None, "org_1")
    assert await keys.list() == [service.key, own.key]
    assert own.key.name == "Acme"
    assert own.secret not in repr(own) + repr(await keys.list())


async def test_a_revoked_key_is_not_valid_and_cannot_be_revoked_again(keys, storage):
    made = await keys.create("soon gone")
    await keys.revoke(made.key.id)
    assert await storage.key_by_hash(hash_key(made.secret)) is None
    for key_id in (made.key.id, "key_unknown", "\0"):
        with pytest.raises(NotFound, match="keys list"):
            await keys.revoke(key_id)


async def test_a_key_with_a_wrong_name_or_organization_is_not_created(keys):
    with pytest.raises(Invalid) as refusal:
        await keys.create("", "org 1")
    assert [error.pointer for error in refusal.value.errors] == ["/name", "/organizationId"]
    assert await keys.list() == []

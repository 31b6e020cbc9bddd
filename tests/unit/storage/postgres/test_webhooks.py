"""Webhooks' secrets against the keys of a node, and text that no column holds."""

import pytest

from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring
from winnerr_webhooks.domain.errors import ConfigurationError, NotFound
from winnerr_webhooks.domain.webhook import DISABLED
from winnerr_webhooks.storage.settling import leave_active
from winnerr_webhooks.storage.values import ApiKey, Grant, ReplayFilter

OTHER_KEYS = Keyring((EncryptionKey("k2", bytes(32)),))


async def test_a_node_without_the_key_of_a_stored_secret_does_not_start(world, open_node) -> None:
    webhook = await world.webhook(secret="a secret of ours")
    with pytest.raises(ConfigurationError, match="'k1'"):
        await open_node(keyring=OTHER_KEYS)
    await world.storage.delete_webhook("org_1", webhook.id)
    await open_node(keyring=OTHER_KEYS)


async def test_a_secret_that_waits_for_its_overlap_needs_its_key_too(
    world, open_node, open_world
) -> None:
    webhook = await world.webhook(secret="secret one")
    both = Keyring((EncryptionKey("k2", bytes(32)), EncryptionKey("k1", bytes(range(32)))))
    other = await open_world(keyring=both)
    await other.storage.set_secret("org_1", webhook.id, "secret two", 60)
    with pytest.raises(ConfigurationError, match="'k2'"):
        await open_node()
    assert await other.storage.secrets("org_1", webhook.id) == ("secret one", "secret two")


async def test_a_damaged_secret_does_not_keep_a_node_from_starting(world, open_node) -> None:
    damaged, _ = [await world.webhook(secret="a secret of ours") for _ in range(2)]

    async def damage(db):
        await db.connection.execute(
            "UPDATE webhook SET secret = set_byte(secret, 20, get_byte(secret, 20) # 1)"
            " WHERE id = $1",
            damaged.id,
        )

    await world.storage._aside.transact(damage)
    node = await open_node()
    with pytest.raises(ConfigurationError):
        await node.secrets("org_1", damaged.id)


async def test_nul_is_kept_as_the_replacement_character(world) -> None:
    webhook = await world.webhook()
    assert (
        await world.change(webhook, description="a\0b")
    ).description == "a\N{REPLACEMENT CHARACTER}b"
    node = world.storage
    await node._aside.transact(
        lambda db: leave_active(db, webhook.id, DISABLED, "gone\0", world.clock.ms)
    )
    reason = (await node.webhook("org_1", webhook.id)).status_reason
    assert reason == "gone\N{REPLACEMENT CHARACTER}"
    key = ApiKey(id="key_1", name="\0", organization=None, created_at=0, revoked_at=None)
    await node.create_key(key, b"h" * 32)
    assert (await node.key_by_hash(b"h" * 32)).name == "\N{REPLACEMENT CHARACTER}"
    link = Grant(organization="org_1", role="admin", user="\0", expires_at=world.clock.ms + 1)
    await node.create_link(link, b"l" * 32)
    assert (await node.link(b"l" * 32)).user == "\N{REPLACEMENT CHARACTER}"


async def test_an_id_with_nul_is_not_found(world) -> None:
    node = world.storage
    assert await node.webhook("org_1", "wh_\0") is None
    assert not await node.delete_webhook("org_1", "wh_\0")
    assert not await node.revoke_key("key_\0")
    for verb in (node.secrets("org_1", "\0"), node.set_secret("org_1", "\0", None, 0)):
        with pytest.raises(NotFound):
            await verb
    with pytest.raises(NotFound):
        await node.replay("org_1", "dlv_\0")
    query = ReplayFilter(organization="org_1", webhook="\0", event="\0")
    assert await node.replay_many(query, dry_run=False) == 0


async def test_a_webhook_is_disabled_once(world) -> None:
    webhook = await world.webhook()

    async def disable(db):
        disabled = []
        for reason in ("first", "second"):
            for (id_,) in await db.fetch("lock_active_webhooks", webhooks=[webhook.id]):
                await leave_active(db, id_, DISABLED, reason, world.clock.ms)
                disabled.append(reason)
        return disabled

    assert await world.storage._aside.transact(disable) == ["first"]
    assert (await world.storage.webhook("org_1", webhook.id)).status_reason == "first"


async def test_instants_of_a_webhook_do_not_go_back_with_a_nodes_reading_of_the_clock(
    world, open_node
) -> None:
    """What a pause cancelled by one node's clock was cancelled before another's resumption."""

    class SlowClock:
        def now_ms(self) -> int:
            return world.clock.ms - 5

        def monotonic(self) -> float:
            return world.clock.monotonic()

    slow = await open_node(clock=SlowClock())
    webhook = await world.webhook()
    delivery = await world.leased()
    paused = await world.change(webhook, status="paused")
    world.storage, fast = slow, world.storage
    resumed = await world.change(webhook, status="active", replay_cancelled=True)
    assert resumed.updated_at == paused.updated_at
    world.storage = fast
    await world.finish_jobs()
    assert [one.id for one in await world.claim()] == [delivery.id]

"""Webhooks, their secrets, and what lanes read of both."""

import pytest
from msgspec.structs import replace

from winnerr_webhooks.domain import delivery as states
from winnerr_webhooks.domain.credentials import (
    MASK,
    BasicAuth,
    BearerAuth,
    Credentials,
    MtlsAuth,
    OAuth2Auth,
)
from winnerr_webhooks.domain.errors import Conflict, Invalid, NotFound, Outdated
from winnerr_webhooks.storage.values import NewWebhook, WebhookChange


async def test_a_webhook_is_read_as_it_was_stored(world) -> None:
    new = NewWebhook(
        id=world.ids.new("wh"),
        organization="org_1",
        url="https://hooks.example.com/ä",
        description="Zapier",
        events=("contact.created", "deal.created"),
        secret="a secret of ours",
    )
    made = await world.storage.create_webhook(new, 500)
    assert made == await world.storage.webhook("org_1", new.id)
    assert (made.url, made.description, made.events) == (new.url, "Zapier", new.events)
    assert (made.status, made.status_reason, made.has_secret) == ("active", None, True)
    assert (made.created_at, made.updated_at, made.version) == (
        world.clock.ms,
        world.clock.ms,
        1,
    )
    assert made.overlap_ends_at is None


async def test_webhooks_are_listed_oldest_first_and_only_the_organizations(world) -> None:
    first, second = await world.webhook(), await world.webhook()
    other = await world.webhook(organization="org_2")
    assert [one.id for one in await world.storage.webhooks("org_1")] == [first.id, second.id]
    assert await world.storage.webhook("org_1", other.id) is None
    assert await world.storage.change_webhook("org_1", other.id, WebhookChange(url="x")) is None
    assert not await world.storage.delete_webhook("org_1", other.id)


async def test_the_limit_counts_what_is_not_deleted(world) -> None:
    first = await world.webhook(limit=2)
    await world.webhook(limit=2)
    with pytest.raises(Conflict):
        await world.webhook(limit=2)
    await world.webhook(limit=2, organization="org_2")
    await world.storage.delete_webhook("org_1", first.id)
    await world.webhook(limit=2)


async def test_the_same_id_makes_one_webhook(world) -> None:
    made = await world.webhook()
    new = NewWebhook(
        id=made.id,
        organization="org_1",
        url="https://hooks.example.com/2",
        description=None,
        events=("*",),
        secret=None,
    )
    assert await world.storage.create_webhook(new, 1) == made
    for other in (replace(new, organization="org_2"), new):
        with pytest.raises(Conflict):
            await world.storage.create_webhook(other, 500)
        await world.storage.delete_webhook("org_1", made.id)
    assert await world.storage.webhooks("org_2") == []


async def test_a_change_of_an_older_version_changes_nothing(world) -> None:
    webhook = await world.webhook()
    changed = await world.change(webhook, url="https://hooks.example.com/2")
    assert changed.version > webhook.version
    late = WebhookChange(url="https://hooks.example.com/3")
    for versions in ([webhook.version], []):
        with pytest.raises(Outdated):
            await world.storage.change_webhook("org_1", webhook.id, late, versions=versions)
        with pytest.raises(Outdated):
            await world.storage.delete_webhook("org_1", webhook.id, versions=versions)
    assert await world.storage.webhook("org_1", webhook.id) == changed
    versions = [webhook.version, changed.version]
    assert await world.storage.change_webhook("org_1", webhook.id, late, versions=versions)


async def test_deliveries_of_webhooks_made_after_a_deletion_have_ids_of_their_own(world) -> None:
    first = await world.webhook()
    before = await world.leased()
    await world.storage.delete_webhook("org_1", first.id)
    await world.webhook()
    assert (await world.leased()).id[-4:] != before.id[-4:]


async def test_a_change_sets_what_it_names(world) -> None:
    webhook = await world.webhook("contact.created", secret="a secret of ours")
    world.clock.advance(seconds=5)
    changed = await world.change(webhook, url="https://new.example.com/", events=("deal.created",))
    assert (changed.url, changed.events) == ("https://new.example.com/", ("deal.created",))
    assert (changed.description, changed.has_secret) == (None, True)
    assert changed.updated_at == world.clock.ms
    assert changed.version > webhook.version
    assert (await world.accept())[0].deliveries == 0
    assert (await world.accept(world.event("deal.created")))[0].deliveries == 1
    described = await world.change(changed, description="Zapier")
    assert described.description == "Zapier"
    assert (await world.change(described, description=None)).description is None


@pytest.mark.parametrize("schedule", ["standard", "long", (), (60.0, 0.5, 604_800.0)])
async def test_a_webhook_has_its_own_name_time_limit_and_schedule(world, schedule) -> None:
    options = {"name": "Café ☃", "timeout": 2.5, "retry_schedule": schedule}
    webhook = await world.webhook(**options)
    assert {field: getattr(webhook, field) for field in options} == options
    assert await world.storage.webhook("org_1", webhook.id) == webhook
    (target,) = await world.storage.targets([webhook.id])
    assert (target.timeout, target.retry_schedule) == (2.5, schedule)

    described = await world.change(webhook, description="Zapier")
    assert {field: getattr(described, field) for field in options} == options
    cleared = await world.change(webhook, name=None, timeout=None, retry_schedule="standard")
    assert (cleared.name, cleared.timeout, cleared.retry_schedule) == (None, None, "standard")
    again = await world.change(cleared, **options)
    assert {field: getattr(again, field) for field in options} == options
    assert again.version > cleared.version


CREDENTIALS = Credentials({"X-Tenant": "acme", "X-Key": "k3y"}, BasicAuth("Zoë", "pass"))


async def test_headers_and_authentication_are_sealed_and_only_their_names_are_read(world) -> None:
    webhook = await world.webhook(credentials=CREDENTIALS)
    assert (webhook.header_names, webhook.auth_type) == (("X-Tenant", "X-Key"), "basic")
    assert "acme" not in repr(webhook)
    (target,) = await world.storage.targets([webhook.id])
    assert target.credentials == CREDENTIALS
    assert "acme" not in repr(target)

    changed = await world.change(webhook, headers={"x-key": MASK, "X-New": "n"}, auth=None)
    assert (changed.header_names, changed.auth_type) == (("x-key", "X-New"), None)
    assert changed.version > webhook.version
    (target,) = await world.storage.targets([webhook.id])
    assert target.credentials == Credentials({"x-key": "k3y", "X-New": "n"})
    assert target.version == changed.version
    assert await world.change(changed, headers={"x-key": MASK, "X-New": "n"}) == changed
    with pytest.raises(Invalid) as refusal:
        await world.change(changed, headers={"X-Other": MASK})
    assert refusal.value.errors[0].pointer == "/headers/X-Other"
    with pytest.raises(Invalid):
        await world.change(changed, headers={"Authorization": "x"}, auth=BearerAuth("t"))
    assert await world.storage.webhook("org_1", webhook.id) == changed

    cleared = await world.change(changed, headers={})
    assert cleared.header_names == ()
    assert await world.storage.delete_webhook("org_1", webhook.id)
    (target,) = await world.storage.targets([webhook.id])
    assert not target.credentials


@pytest.mark.parametrize(
    "auth",
    [
        OAuth2Auth("https://login.example.com/token", "crm", "s3cret"),
        OAuth2Auth("https://login.example.com/token", "crm", "s3cret", "a b"),
        MtlsAuth("-----BEGIN CERTIFICATE-----\n…", "-----BEGIN PRIVATE KEY-----\ns3cret"),
    ],
)
async def test_every_kind_of_authentication_is_kept_as_it_was_given(world, auth) -> None:
    webhook = await world.webhook(credentials=Credentials({"X-Tenant": "acme"}, auth))
    assert webhook.auth_type == Credentials(auth=auth).auth_type
    (target,) = await world.storage.targets([webhook.id])
    assert target.credentials.auth == auth
    assert "s3cret" not in repr(webhook) + repr(target) + repr(target.credentials) + repr(auth)


async def test_the_kind_of_signature_follows_the_newest_secret(world) -> None:
    key = "whsk_" + "A" * 43 + "="
    webhook = await world.webhook(secret=key)
    assert (webhook.signing, webhook.has_secret) == ("ed25519", True)

    async def signing() -> tuple[str, str | None, str | None]:
        found = await world.storage.webhook("org_1", webhook.id)
        (target,) = await world.storage.targets([webhook.id])
        return found.signing, target.secret, target.next_secret

    await world.storage.set_secret("org_1", webhook.id, "a secret of both", 60)
    assert await signing() == ("hmac", key, "a secret of both")
    await world.storage.set_secret("org_1", webhook.id, key, 0)
    assert await signing() == ("ed25519", key, None)
    assert (await world.storage.webhooks("org_1"))[0].signing == "ed25519"
    await world.storage.set_secret("org_1", webhook.id, None, 0)
    assert await signing() == ("hmac", None, None)


async def test_credentials_do_not_move_to_another_origin_with_the_url(world) -> None:
    webhook = await world.webhook(credentials=CREDENTIALS)
    elsewhere = "https://other.example.com/crm"
    for asked in (
        {},
        {"headers": {"X-Tenant": "acme"}},
        {"auth": None},
        {"auth": BearerAuth("new"), "headers": {"X-Tenant": MASK}},
    ):
        with pytest.raises(Invalid) as refusal:
            await world.change(webhook, url=elsewhere, **asked)
        assert refusal.value.errors[0].pointer == "/url", asked
    assert await world.storage.webhook("org_1", webhook.id) == webhook
    path = await world.change(webhook, url="https://hooks.example.com:443/other")
    assert (await world.storage.targets([webhook.id]))[0].credentials == CREDENTIALS
    moved = await world.change(path, url=elsewhere, headers={"X-Tenant": "b"}, auth=None)
    assert (moved.url, moved.header_names, moved.auth_type) == (elsewhere, ("X-Tenant",), None)


async def test_a_webhook_that_begins_paused_keeps_events_until_it_is_active(world) -> None:
    webhook = await world.webhook(status="paused")
    assert webhook.status == "paused"
    (answer,) = await world.accept()
    assert (answer.deliveries, answer.leased) == (0, ())
    assert await world.storage.cancelled("org_1", webhook.id) == 1
    assert (await world.change(webhook, status="active")).status == "active"
    assert (await world.accept())[0].deliveries == 1


async def test_a_change_to_what_is_changes_nothing(world) -> None:
    webhook = await world.webhook()
    world.clock.advance(seconds=5)
    assert await world.change(webhook, url=webhook.url, status="active") == webhook


async def test_the_next_attempt_uses_the_edited_webhook(world) -> None:
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, states.RETRY, retry_in=1)
    changed = await world.change(webhook, url="https://new.example.com/")
    world.clock.advance(seconds=1)
    (retry,) = await world.claim()
    assert retry.webhook_version == changed.version
    (target,) = await world.storage.targets([webhook.id])
    assert (target.url, target.version) == ("https://new.example.com/", changed.version)


async def test_status_goes_through_every_change(world) -> None:
    webhook = await world.webhook()
    assert (await world.change(webhook, status="paused")).status == "paused"
    assert (await world.change(webhook, status="active")).status == "active"
    await world.settle(await world.leased(), states.EXHAUSTED, disable="gone")
    assert (await world.storage.webhook("org_1", webhook.id)).status == "disabled"
    paused = await world.change(webhook, status="paused")
    assert (paused.status, paused.status_reason) == ("paused", None)
    assert (await world.change(webhook, status="active")).status == "active"
    assert (await world.accept())[0].deliveries == 1


async def test_a_deleted_webhook_keeps_its_log(world) -> None:
    webhook = await world.webhook(secret="a secret of ours")
    delivery = await world.leased()
    await world.settle(delivery)
    assert await world.storage.delete_webhook("org_1", webhook.id)
    assert not await world.storage.delete_webhook("org_1", webhook.id)
    assert await world.storage.webhook("org_1", webhook.id) is None
    assert await world.storage.webhooks("org_1") == []
    assert (await world.delivery(delivery)).status == states.DELIVERED
    assert len((await world.delivery(delivery)).attempts) == 1
    (target,) = await world.storage.targets([webhook.id])
    assert (target.status, target.secret, target.next_secret) == ("deleted", None, None)
    with pytest.raises(NotFound):
        await world.storage.secrets("org_1", webhook.id)


async def test_targets_are_found_for_any_organization(world) -> None:
    one = await world.webhook(secret="secret one")
    two = await world.webhook(organization="org_2")
    found = {one.webhook_id: one for one in await world.storage.targets([one.id, two.id, "wh_x"])}
    assert set(found) == {one.id, two.id}
    assert (found[one.id].secret, found[two.id].secret) == ("secret one", None)
    assert found[two.id].organization == "org_2"
    assert "secret one" not in repr(found[one.id])


async def test_changes_are_found_by_a_mark(world) -> None:
    mark, changed = await world.storage.changed_webhooks(0)
    assert changed == []
    one, two = await world.webhook(), await world.webhook()
    mark, changed = await world.storage.changed_webhooks(mark)
    assert set(changed) == {one.id, two.id}
    assert await world.storage.changed_webhooks(mark) == (mark, [])
    await world.storage.set_secret("org_1", one.id, "a secret of ours", 0)
    later, changed = await world.storage.changed_webhooks(mark)
    assert (changed, later > mark) == ([one.id], True)
    await world.storage.delete_webhook("org_1", two.id)
    assert (await world.storage.changed_webhooks(later))[1] == [two.id]
    assert (await world.storage.changed_webhooks(0))[1] == []


# --- secrets --------------------------------------------------------------------------------------


async def test_a_first_secret_has_no_overlap(world) -> None:
    webhook = await world.webhook()
    assert await world.storage.secrets("org_1", webhook.id) == (None, None)
    assert await world.storage.set_secret("org_1", webhook.id, "secret one", 86_400) is None
    assert await world.storage.secrets("org_1", webhook.id) == ("secret one", None)
    assert (await world.storage.webhook("org_1", webhook.id)).has_secret


async def test_a_rotation_overlaps_and_then_the_new_secret_signs(world) -> None:
    webhook = await world.webhook(secret="secret one")
    ends = await world.storage.set_secret("org_1", webhook.id, "secret two", 60)
    assert ends == world.clock.ms + 60_000
    assert await world.storage.secrets("org_1", webhook.id) == ("secret one", "secret two")
    assert (await world.storage.webhook("org_1", webhook.id)).overlap_ends_at == ends
    (target,) = await world.storage.targets([webhook.id])
    assert (target.secret, target.next_secret, target.overlap_ends_at) == (
        "secret one",
        "secret two",
        ends,
    )
    world.clock.advance(seconds=60)
    assert await world.storage.secrets("org_1", webhook.id) == ("secret two", None)
    assert (await world.storage.webhook("org_1", webhook.id)).overlap_ends_at is None
    (target,) = await world.storage.targets([webhook.id])
    assert (target.secret, target.next_secret, target.overlap_ends_at) == ("secret two", None, None)
    await world.storage.run_retention_slice(30)
    assert await world.storage.secrets("org_1", webhook.id) == ("secret two", None)


async def test_another_secret_during_an_overlap_replaces_the_new_one(world) -> None:
    webhook = await world.webhook(secret="secret one")
    await world.storage.set_secret("org_1", webhook.id, "secret two", 60)
    world.clock.advance(seconds=10)
    ends = await world.storage.set_secret("org_1", webhook.id, "secret three", 60)
    assert ends == world.clock.ms + 60_000
    assert await world.storage.secrets("org_1", webhook.id) == ("secret one", "secret three")


async def test_the_same_new_secret_without_an_overlap_ends_it_now(world) -> None:
    webhook = await world.webhook(secret="secret one")
    await world.storage.set_secret("org_1", webhook.id, "secret two", 60)
    assert await world.storage.set_secret("org_1", webhook.id, "secret two", 0) is None
    assert await world.storage.secrets("org_1", webhook.id) == ("secret two", None)


async def test_removing_the_secret_makes_it_unsigned(world) -> None:
    webhook = await world.webhook(secret="secret one")
    await world.storage.set_secret("org_1", webhook.id, "secret two", 60)
    version = (await world.storage.webhook("org_1", webhook.id)).version
    assert await world.storage.set_secret("org_1", webhook.id, None, 60) is None
    assert await world.storage.secrets("org_1", webhook.id) == (None, None)
    seen = await world.storage.webhook("org_1", webhook.id)
    assert (seen.has_secret, seen.overlap_ends_at, seen.version) == (False, None, version + 1)


async def test_secrets_are_the_organizations_own(world) -> None:
    webhook = await world.webhook(secret="secret one")
    with pytest.raises(NotFound):
        await world.storage.secrets("org_2", webhook.id)
    with pytest.raises(NotFound):
        await world.storage.set_secret("org_2", webhook.id, "secret two", 0)

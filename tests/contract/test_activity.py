"""The activity log: what each change writes down about who made it, on both databases."""

import asyncio

import pytest

from winnerr_webhooks.domain.activity import ACTIONS, Actor, FieldChange
from winnerr_webhooks.domain.credentials import MASK, BearerAuth, Credentials
from winnerr_webhooks.ids import id_ms
from winnerr_webhooks.storage.acting import act_as
from winnerr_webhooks.storage.activity_port import ActivityFilter
from winnerr_webhooks.storage.rehearsal_port import NewRehearsal
from winnerr_webhooks.storage.road_values import LeaseTerms
from winnerr_webhooks.storage.values import ApiKey, Grant, NewWebhook, ReplayFilter

JANE = Actor(kind="user", name="Jane", address="203.0.113.7")
SECRET = "whsec_do-not-write-this-down"


@pytest.fixture(autouse=True)
def act_as_jane():
    act_as(JANE)


async def entries(world, **filters):
    page = await world.storage.activity(ActivityFilter(organization="org_1", **filters))
    return page.items


async def actions(world, **filters):
    return [entry.action for entry in await entries(world, **filters)]


def key(world, **fields):
    values = {"id": world.ids.new("key"), "name": "CRM", "organization": "org_1"}
    times = {"created_at": world.clock.now_ms(), "revoked_at": None}
    return ApiKey(**values | times | fields)


async def test_a_created_webhook_is_recorded_with_who_when_and_what(world):
    webhook = await world.webhook("contact.created", secret=SECRET)

    (entry,) = await entries(world)

    assert (entry.action, entry.actor, entry.organization) == ("webhook.created", JANE, "org_1")
    assert (entry.webhook_id, entry.webhook_url) == (webhook.id, webhook.url)
    assert id_ms(entry.id) == world.clock.now_ms()
    assert FieldChange("url", None, webhook.url) in entry.changes
    assert FieldChange("events", None, ["contact.created"]) in entry.changes
    assert entry.details == {"signed": True}


async def test_a_change_names_old_and_new_values_and_nothing_that_stayed(world):
    webhook = await world.webhook("contact.created")
    await world.change(webhook, description="Data warehouse", url=webhook.url)
    await world.change(webhook, description="Data warehouse")

    changed, _ = await entries(world)

    assert changed.action == "webhook.changed"
    assert changed.changes == (FieldChange("description", None, "Data warehouse"),)


async def test_pausing_resuming_and_deleting_are_actions_of_their_own(world):
    webhook = await world.webhook()
    await world.change(webhook, status="paused", description="off")
    await world.change(webhook, status="active", replay_cancelled=True)
    assert await world.storage.delete_webhook("org_1", webhook.id)
    assert not await world.storage.delete_webhook("org_1", webhook.id)

    deleted, resumed, paused, changed, _ = await entries(world)

    assert [deleted.action, resumed.action] == ["webhook.deleted", "webhook.resumed"]
    assert [paused.action, changed.action] == ["webhook.paused", "webhook.changed"]
    assert paused.changes == (FieldChange("status", "active", "paused"),)
    assert resumed.details == {"replayCancelled": True}
    assert deleted.webhook_url == webhook.url


async def test_each_step_of_a_secret_is_recorded_and_never_the_secret(world):
    webhook = await world.webhook()
    for secret, overlap in ((SECRET, 60), (SECRET + "2", 60), (SECRET + "2", 0), (None, 0)):
        await world.storage.set_secret("org_1", webhook.id, secret, overlap)
    await world.storage.set_secret("org_1", webhook.id, None, 0)

    found = await entries(world)

    assert [entry.action for entry in found] == [
        "secret.removed", "secret.switched", "secret.rotated", "secret.set", "webhook.created"
    ]  # fmt: skip
    assert found[2].details == {"overlapSeconds": 60}
    assert SECRET not in repr(found)


async def test_tests_and_replays_name_their_webhook_and_their_subject(world):
    webhook = await world.webhook()
    event = world.event()
    await world.storage.send_test(event, webhook.id, LeaseTerms(seconds=60))
    delivery = await world.leased()
    await world.storage.replay("org_1", delivery.id)

    replayed, tested, _ = await entries(world)

    assert (replayed.action, replayed.subject) == ("delivery.replayed", delivery.id)
    assert (tested.action, tested.subject) == ("test.sent", event.id)
    assert tested.details == {"event": event.name}
    assert {replayed.webhook_id, tested.webhook_id} == {webhook.id}


async def test_a_replay_of_many_is_one_entry_with_their_number_and_a_count_alone_is_none(world):
    webhook = await world.webhook()
    await world.accept(world.event(), world.event())
    await world.change(webhook, status="paused")
    while await world.storage.run_job_slice():
        pass
    await world.change(webhook, status="active")
    query = ReplayFilter(organization="org_1", webhook=webhook.id)
    assert await world.storage.replay_many(query, dry_run=True) == 2
    assert "deliveries.replayed" not in await actions(world)

    assert await world.storage.replay_many(query, dry_run=False) == 2

    newest = (await entries(world))[0]
    assert (newest.action, newest.details) == ("deliveries.replayed", {"count": 2})


async def test_recoveries_and_rehearsals_are_recorded_when_they_start_and_when_somebody_ends_them(
    world,
):
    webhook = await world.webhook()
    delivery = await world.leased()
    await world.settle(delivery, "failed")
    query = ReplayFilter(organization="org_1", webhook=webhook.id, since=1_800_000_000_000)
    job = world.ids.new("job")
    await world.storage.recover_since(query, job, 1)
    for _ in range(2):  # the second changes nothing
        await world.storage.cancel_job("org_1", job)
    rehearsal = NewRehearsal(
        id=world.ids.new("reh"), organization="org_1", webhook_id=webhook.id,
        url="https://next.example.com", last=1,
    )  # fmt: skip
    assert await world.storage.add_rehearsal(rehearsal)
    for _ in range(2):
        await world.storage.cancel_rehearsal("org_1", rehearsal.id)

    ended, rehearsed, cancelled, recovered, _ = await entries(world)

    assert (recovered.action, recovered.subject) == ("recovery.started", job)
    assert recovered.details == {"count": 1, "since": "2027-01-15T08:00:00Z"}
    assert (cancelled.action, cancelled.subject) == ("recovery.cancelled", job)
    assert (rehearsed.action, rehearsed.subject) == ("rehearsal.started", rehearsal.id)
    assert rehearsed.details == {"url": "https://next.example.com", "count": 1}
    assert (ended.action, ended.subject) == ("rehearsal.cancelled", rehearsal.id)


async def test_keys_of_the_organization_are_recorded_and_service_keys_are_not(world):
    act_as(Actor(kind="command", name="root"))
    own, service = key(world), key(world, organization=None)
    await world.storage.create_key(own, b"1" * 32)
    await world.storage.create_key(service, b"2" * 32)
    for one in (own, service, own):
        await world.storage.revoke_key(one.id)

    revoked, created = await entries(world)

    assert (created.action, created.subject, created.details) == (
        "key.created", own.id, {"name": "CRM"},
    )  # fmt: skip
    assert (revoked.action, revoked.actor.name) == ("key.revoked", "root")


async def test_an_actor_that_is_a_key_has_the_keys_name(world):
    own = key(world, name="crm-backend")
    await world.storage.create_key(own, b"1" * 32)
    act_as(Actor(kind="key", id=own.id, address="198.51.100.2"))
    await world.webhook()

    entry = (await entries(world))[0]

    assert entry.actor == Actor(kind="key", id=own.id, name="crm-backend", address="198.51.100.2")


async def test_a_sign_in_is_recorded_for_the_user_whom_the_link_names(world):
    act_as(Actor(kind="user", address="203.0.113.9"))
    link = Grant(organization="org_1", role="viewer", user="Zoë", expires_at=2**50)
    await world.storage.create_link(link, b"l" * 32)
    for _ in range(2):
        await world.storage.consume_link(b"l" * 32, b"s" * 32, 60)

    (entry,) = await entries(world)

    assert entry.actor == Actor(kind="user", name="Zoë", address="203.0.113.9")
    assert (entry.action, entry.details) == ("user.signed_in", {"role": "viewer"})


async def test_a_new_listener_is_recorded_once_and_not_as_a_webhook(world):
    new = NewWebhook(
        id=world.ids.new("wh"), organization="org_1", url="http://localhost:3000/hook",
        description=None, events=("*",), secret=SECRET,
    )  # fmt: skip
    for _ in range(2):
        opened = await world.storage.open_listener(new, "key_1 laptop", 50)
    await world.storage.set_secret("org_1", opened.id, SECRET + "2", 0)

    (entry,) = await entries(world)

    assert (entry.action, entry.subject) == ("listener.opened", opened.id)
    assert entry.details == {"url": "http://localhost:3000/hook"}


async def test_a_change_that_is_refused_records_nothing(world):
    await world.webhook(limit=1)
    with pytest.raises(Exception, match="delete one first"):
        await world.webhook(limit=1)

    assert await actions(world) == ["webhook.created"]


async def test_two_who_act_at_once_keep_their_own_names(world):
    async def make(name):
        act_as(Actor(kind="user", name=name))
        await asyncio.sleep(0)
        await world.webhook()

    await asyncio.gather(*(make(name) for name in ("Ann", "Ben", "Cid")))

    assert {entry.actor.name for entry in await entries(world)} == {"Ann", "Ben", "Cid"}


async def test_entries_are_found_by_webhook_actor_action_and_time(world):
    first = await world.webhook()
    world.clock.advance(seconds=60)
    act_as(Actor(kind="key", id="key_1", name="crm-backend"))
    second = await world.webhook()
    await world.change(second, status="paused")
    middle = world.clock.now_ms()

    assert await actions(world, webhook=first.id) == ["webhook.created"]
    assert len(await entries(world, action="webhook.created")) == 2
    for actor in ("key_1", "crm-backend", "key"):
        assert len(await entries(world, actor=actor)) == 2, actor
    assert len(await entries(world, actor="Jane")) == 1
    assert len(await entries(world, since=middle)) == 2
    assert len(await entries(world, until=middle)) == 1
    assert await entries(world, webhook=first.id, actor="key_1") == []
    other = await world.storage.activity(ActivityFilter(organization="org_2"))
    assert other.items == []


async def test_pages_follow_each_other_without_gaps(world):
    webhook = await world.webhook()
    for number in range(6):
        await world.change(webhook, description=str(number))
    seen, before = [], None
    while True:
        query = ActivityFilter(organization="org_1", limit=3, before=before)
        page = await world.storage.activity(query)
        seen += [entry.id for entry in page.items]
        before = page.next
        if before is None:
            break

    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 7


async def test_entries_leave_with_the_days_of_retention(world):
    webhook = await world.webhook()
    world.clock.advance(days=20)
    await world.change(webhook, description="later")
    world.clock.advance(days=11)
    while await world.storage.run_retention_slice(30):
        pass

    assert await actions(world) == ["webhook.changed"]


async def test_what_changes_no_row_can_be_recorded_alone(world):
    webhook = await world.webhook()
    await world.storage.record_activity("org_1", "secret.revealed", webhook=webhook.id)

    assert (await entries(world))[0].webhook_url == webhook.url


def test_every_action_has_one_name():
    assert len(ACTIONS) == len(set(ACTIONS))


async def test_names_limits_and_schedules_are_told_and_the_webhooks_name_is_kept(world):
    webhook = await world.webhook()
    await world.change(webhook, name="Warehouse", timeout=2.5, retry_schedule=(5.0, 60.0))
    await world.storage.delete_webhook("org_1", webhook.id)

    deleted, changed, created = await entries(world)

    assert {one.field for one in created.changes} == {"url", "events"}
    assert sorted(changed.changes, key=lambda one: one.field) == [
        FieldChange("name", None, "Warehouse"),
        FieldChange("retrySchedule", "standard", [5.0, 60.0]),
        FieldChange("timeout", None, 2.5),
    ]
    assert deleted.webhook_name == "Warehouse"


async def test_changed_headers_and_authentication_are_named_and_never_told(world):
    credentials = Credentials({"X-Tenant": "acme"}, BearerAuth("t0ken"))
    webhook = await world.webhook(credentials=credentials)
    await world.change(webhook, headers={"X-Tenant": MASK}, auth=BearerAuth("other"))
    await world.change(webhook, headers={"X-Tenant": "new"})
    await world.change(webhook, headers={"X-Tenant": "new"}, auth=BearerAuth("other"))
    await world.change(webhook, headers={}, auth=None)

    removed, values, auth, created = await entries(world)

    for field in ("headers", "auth"):
        assert FieldChange(field) in created.changes
    assert set(auth.changes) == {FieldChange("auth")}
    assert set(values.changes) == {FieldChange("headers")}
    assert set(removed.changes) == {FieldChange("headers"), FieldChange("auth")}

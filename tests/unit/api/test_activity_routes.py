"""Who did what, over the API: entries of calls, their filters, and what is refused."""

import re

from winnerr_webhooks.management.api_keys import ApiKeys


async def test_calls_are_recorded_with_their_key_their_address_and_what_changed(api):
    made = await api.webhook(secret="päss word ☃")
    await api.ok("PATCH", f"~/webhooks/{made['id']}", {"description": "CRM"})

    page = await api.ok("GET", "~/activity")

    changed, created = page["items"]
    assert page["next"] is None
    assert changed.keys() == {
        "id", "at", "action", "actor", "webhookId", "webhookUrl", "webhookName",
        "subjectId", "changes", "details",
    }  # fmt: skip
    assert (changed["action"], created["action"]) == ("webhook.changed", "webhook.created")
    assert changed["changes"] == [{"field": "description", "old": None, "new": "CRM"}]
    actor = changed["actor"]
    assert (actor["kind"], actor["name"], actor["address"]) == ("key", "tests", "127.0.0.1")
    assert actor["id"].startswith("key_")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", changed["at"])
    assert "päss" not in str(page)


async def test_a_revealed_secret_is_recorded_and_reading_anything_else_is_not(api):
    made = await api.webhook(generateSecret=True)
    await api.ok("GET", "~/webhooks")
    await api.ok("GET", f"~/webhooks/{made['id']}")
    await api.ok("GET", f"~/webhooks/{made['id']}/secret")

    actions = [one["action"] for one in (await api.ok("GET", "~/activity"))["items"]]

    assert actions == ["secret.revealed", "webhook.created"]


async def test_calls_of_two_keys_keep_their_names_on_one_connection(api):
    other = await ApiKeys(api.storage, api.services.clock, api.services.ids).create("other")
    made = await api.webhook()
    await api.ok("PATCH", f"~/webhooks/{made['id']}", {"status": "paused"}, key=other.secret)
    await api.ok("PATCH", f"~/webhooks/{made['id']}", {"status": "active"})

    found = (await api.ok("GET", "~/activity"))["items"]

    assert [(one["action"], one["actor"]["name"]) for one in found] == [
        ("webhook.resumed", "tests"), ("webhook.paused", "other"), ("webhook.created", "tests"),
    ]  # fmt: skip


async def test_filters_narrow_and_pages_continue(api):
    one, two = await api.webhook(), await api.webhook()
    await api.ok("PATCH", f"~/webhooks/{two['id']}", {"description": "B"})

    of_one = await api.ok("GET", f"~/activity?webhook={one['id']}")
    assert [item["webhookId"] for item in of_one["items"]] == [one["id"]]
    first = await api.ok("GET", "~/activity?limit=2")
    rest = await api.ok("GET", f"~/activity?limit=2&before={first['next']}")
    assert len(first["items"]) == 2
    assert len(rest["items"]) == 1
    assert rest["next"] is None
    created = await api.ok("GET", "~/activity?action=webhook.created&actor=tests")
    assert len(created["items"]) == 2
    assert (await api.ok("GET", "~/activity?actor=nobody"))["items"] == []
    assert (await api.ok("GET", "~/activity?until=2020-01-01T00:00:00Z"))["items"] == []


async def test_wrong_filters_are_refused_by_name(api):
    for query, pointer in (
        ("action=webhook.creatd", "/action"),
        ("actor=" + "x" * 201, "/actor"),
        ("before=att_1", "/before"),
        ("since=yesterday", "/since"),
        ("who=me", "/who"),
    ):
        status, problem = await api.call("GET", f"~/activity?{query}")
        assert status == 422, query
        assert problem["errors"][0]["pointer"] == pointer


async def test_a_key_of_another_organization_sees_nothing(api):
    key = await api.keys.create("other", "org_2")
    assert (await api.call("GET", "~/activity", key=key.secret))[0] == 404

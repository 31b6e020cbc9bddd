"""The page with the product's own catalogue: what left it, and data that a schema refuses."""

import json

import pytest

from winnerr_webhooks.event_catalog.catalog_file import parse_catalog

SCHEMA = {"type": "object", "properties": {"amount": {"type": "number", "minimum": 0}}}


def own_catalogue(*names: str):
    events = [
        {"name": name, "description": "It happened.", "example": {"amount": 1}, "schema": SCHEMA}
        for name in names
    ]
    categories = [{"name": "Orders", "events": events}]
    return parse_catalog("x", json.dumps({"categories": categories}).encode(), "warn")


@pytest.fixture
async def webhook(site):
    """A webhook of an event type that left the catalogue since, and of one that is still there."""
    site.page.catalog.replace(own_catalogue("order.paid", "order.sent", "order.lost"))
    webhook = await site.webhook(events=["order.paid", "order.lost"])
    site.page.catalog.replace(own_catalogue("order.sent", "order.lost"))
    return webhook


async def test_the_form_has_a_checkbox_for_what_left_and_keeps_it_until_it_is_unticked(
    site, admin, webhook
):
    page = await admin.get(f"/{webhook.id}/edit")
    assert "No longer in the catalogue" in page.text
    (box,) = page.all("input", type="checkbox", value="order.paid")
    assert "checked" in box
    for events in (["order.sent", "order.paid"], ["order.sent"]):
        page = await admin.get(f"/{webhook.id}/edit")
        known = page.all("input", name="known")[0]["value"]
        fields = [("known", known), ("url", webhook.url), *(("events", one) for one in events)]
        saved = await admin.post(f"/{webhook.id}/edit", fields)
        assert saved.status == 200
        assert set((await site.page.webhooks.get("org_1", webhook.id)).events) == set(events)
    page = await admin.get(f"/{webhook.id}/edit")
    assert "No longer in the catalogue" not in page.text
    assert not page.all("input", type="checkbox", value="order.paid")


async def test_an_attempt_says_why_the_schema_does_not_allow_its_data(site, admin, webhook):
    wrong = await site.settle((await site.event("order.lost", b'{"amount":-1}'))[0], 200)
    right = await site.settle((await site.event("order.lost", b'{"amount":1}'))[0], 200)
    page = await admin.get(f"/logs/{wrong}")
    assert "The schema of order.lost does not allow this data: /data/amount" in page.text
    assert "This value is less than the minimum of 0." in page.text
    assert "does not allow" not in (await admin.get(f"/logs/{right}")).text


async def test_why_the_schema_does_not_allow_it_is_said_in_the_readers_language(
    site, admin, webhook
):
    wrong = await site.settle((await site.event("order.lost", b'{"amount":-1}'))[0], 200)
    page = await admin.get(f"/logs/{wrong}", headers={"Accept-Language": "de"})
    assert "Dieser Wert ist kleiner als das Minimum 0." in page.text

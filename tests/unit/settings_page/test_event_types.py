"""The Events tab without JavaScript: samples, schemas, and sending one to a webhook."""

import json
import re

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.settings_page.schema_table import MAX_ROWS, schema_rows


def rows(schema) -> list[tuple]:
    found = schema_rows(json.dumps(schema).encode())
    return [(one.name, one.type, one.required, one.description, one.notes) for one in found]


async def test_it_shows_every_event_type_by_category_with_its_sample(viewer):
    page = await viewer.get("/event-types")
    assert "20 event types of Winnerr" in page.text
    assert [one["id"] for one in page.all("details")] == list(CATALOG.names)
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page.html)
    assert [one for one in headings if one in dict(CATALOG.categories)] == [
        name for name, _ in CATALOG.categories
    ]
    assert '"email": "jane@example.com"' in page.text
    assert '"organizationId": "org_1"' in page.text
    assert "Send this to a webhook" not in page.text
    assert page.all("a", href="/settings/webhooks/logs?event=deal.created")


async def test_an_admin_sends_one_to_a_webhook(site, admin):
    page = await admin.get("/event-types/send?event=task.overdue")
    assert "There is no webhook to send it to" in page.text
    await admin.post("/new", {"url": "http://127.0.0.1:9/hook", "events": "contact.created"})
    (webhook,) = await site.page.webhooks.list("org_1")
    assert page.all("a", href="/settings/webhooks/new")
    page = await admin.get("/event-types/send?event=task.overdue")
    assert page.all("option", value=webhook.id)
    page = await admin.post("/event-types/send", {"event": "task.overdue", "webhook": webhook.id})
    assert f"/{webhook.id}?test=dlv_" in page.url
    (delivery,) = site.node.tests
    assert (delivery.event, delivery.webhook_id) == ("task.overdue", webhook.id)


async def test_only_admins_send_and_only_what_is_known(admin, viewer):
    page = await viewer.get("/event-types/send?event=task.overdue")
    assert page.status == 403
    page = await admin.get("/event-types/send?event=task.overdu")
    assert page.status == 422
    assert "Did you mean task.overdue?" in page.text


def test_a_schema_is_a_row_for_each_field():
    schema = {
        "required": ["id"],
        "properties": {
            "id": {"type": "string", "pattern": "^x", "description": "The id."},
            "amount": {"type": ["number", "null"], "minimum": 0, "maximum": 10},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}, "maxItems": 3},
            "kind": {"enum": ["a", 1]},
            "at": {"type": "string", "format": "date-time"},
        },
        "$defs": {"line": {"type": "object", "required": ["sku"],
                           "properties": {"sku": {"type": "string"}}}},
    }  # fmt: skip
    assert rows(schema) == [
        ("id", "string", True, "The id.", ("matches ^x",)),
        ("amount", "number or null", False, "", ("at least 0", "at most 10")),
        ("lines", "array of object", False, "", ("3 items or fewer",)),
        ("lines[].sku", "string", True, "", ()),
        ("kind", "any", False, "", ('one of "a", 1',)),
        ("at", "string", False, "", ("date-time",)),
    ]


def test_a_schema_that_contains_itself_or_is_large_is_cut():
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert 2 < len(rows(tree)) <= MAX_ROWS
    wide = {"properties": {f"n{n}": {} for n in range(1_000)}}
    assert len(rows(wide)) == MAX_ROWS
    assert rows({"allOf": [{"properties": {"a": {"type": "string"}}}, True]})[0][0] == "a"
    assert rows({"properties": {"a": True, "b": {"$ref": "https://x"}, "c": {"$ref": "#/no"}}})

"""The form of a test event: an example to edit, sent exactly as it was written."""

import json


async def sent(site):
    """The payload of the test that was sent last."""
    return site.node.tests[-1].body


async def test_the_form_shows_the_example_of_the_chosen_event_type(site, admin):
    webhook = await site.webhook(events=["deal.created"])

    page = await admin.get(f"/{webhook.id}/test-event")
    assert page.all("input", name="event", value="deal.created")
    assert '"id":' in page.text
    other = await admin.get(f"/{webhook.id}/test-event?event=call.missed")
    assert other.all("input", name="event", value="call.missed")
    assert other.text != page.text
    detail = await admin.get(f"/{webhook.id}")
    assert detail.all("a", href=f"/settings/webhooks/{webhook.id}/test-event")


async def test_edited_data_is_sent_as_it_was_written(site, admin):
    webhook = await site.webhook()
    data = '{"z": 1.50, "a": "caf\\u00e9",\n "big": 12345678901234567890123}'

    page = await admin.post(f"/{webhook.id}/test-event", {"event": "deal.created", "data": data})

    assert "?test=dlv_" in page.url
    body = await sent(site)
    assert body.endswith(b'"data":{"z":1.50,"a":"caf\\u00e9","big":12345678901234567890123}}')
    assert json.loads(body)["event"] == "deal.created"
    assert list(json.loads(body)) == ["event", "timestamp", "organizationId", "data"]


async def test_wrong_data_stays_in_the_form_with_what_is_wrong(site, admin):
    webhook = await site.webhook()
    for data, message in (
        ("{oops", "This is not JSON"),
        ("[1]", "`data` must be a JSON object."),
        ('{},"id":"x"', "This is not JSON"),
        ("", "This is not JSON"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested too deeply"),
        ('{"a":"\\ud800"}', "This is not JSON"),
    ):
        page = await admin.post(
            f"/{webhook.id}/test-event", {"event": "deal.created", "data": data}
        )
        assert page.status == 422, data
        assert message in page.text
        assert page.all("textarea", **{"aria-invalid": "true"})
    assert not site.node.tests


async def test_a_viewer_cannot_send_one(site, viewer):
    webhook = await site.webhook()
    assert (await viewer.get(f"/{webhook.id}/test-event")).status == 403
    answer = await viewer.post(f"/{webhook.id}/test-event", {"data": "{}"})
    assert answer.status == 403

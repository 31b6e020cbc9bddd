"""Rehearse with another URL, and its answers beside the recorded ones, without JavaScript."""

import pytest

from winnerr_webhooks.storage.rehearsal_port import AnswerStart, RehearsalResult

URL = "http://127.0.0.1:9/new"


async def _sent(site, count: int = 2):
    webhook = await site.webhook()
    for _ in range(count):
        await site.settle((await site.event())[0], 503, happened="exhausted", body=b"<b>busy")
    return webhook


async def _answer(site, *answers: AnswerStart) -> None:
    """Run the rehearsal as the node does, with these answers."""
    step = await site.storage.rehearsal_step(None, 30.0)
    for answer in answers:
        result = RehearsalResult(
            rehearsal_id=step.rehearsal_id, position=step.position, answer=answer
        )
        step = await site.storage.rehearsal_step(result, 30.0)


async def test_a_rehearsal_shows_each_answer_beside_the_recorded_one(site, admin):
    webhook = await _sent(site)
    page = await admin.get(f"/{webhook.id}/deliveries")
    assert page.all("a", href=f"/settings/webhooks/{webhook.id}/rehearse")
    page = await admin.get(f"/{webhook.id}/rehearse")
    assert "signed with this webhook's secret" in page.text
    page = await admin.post(f"/{webhook.id}/rehearse", {"url": URL, "last": "2"})
    path = page.url.partition("/settings/webhooks")[2]
    assert path.startswith("/rehearsals/reh_")
    assert "0 of 2 answered." in page.text
    assert page.all("section", id="progress", **{"data-refresh": "1"})
    good = AnswerStart("succeeded", 200, 3.0, "", b"<i>fine")
    await _answer(site, good, AnswerStart("failed", None, 9.0, "No connection", b""))
    page = await admin.get(path)
    assert "Done." in page.text
    assert "503" in page.text
    assert "200" in page.text
    assert "No connection" in page.text
    assert "<i>" not in page.html
    assert "<b>busy" not in page.html


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": "nonsense", "last": "2"}, "https"),
        ({"url": "", "last": "2"}, ""),
        ({"url": URL, "last": "0"}, "from 1 to 100"),
        ({"url": URL, "last": "many"}, "from 1 to 100"),
        ({"url": "http://10.0.0.1/", "last": "2"}, ""),
    ],
)
async def test_a_wrong_field_is_named_beside_it(site, admin, fields, says):
    webhook = await _sent(site, 1)
    page = await admin.post(f"/{webhook.id}/rehearse", fields)
    assert page.status == 422
    assert says in page.text
    assert page.all("input", **{"aria-invalid": "true"})


async def test_stopping_a_rehearsal_marks_what_was_not_sent(site, admin):
    webhook = await _sent(site)
    page = await admin.post(f"/{webhook.id}/rehearse", {"url": URL, "last": "2"})
    path = page.url.partition("/settings/webhooks")[2]
    assert page.has_button("Stop sending")
    page = await admin.post(f"{path}/cancel")
    assert "Cancelled." in page.text
    assert page.text.count("not sent") == 2


async def test_a_viewer_sees_and_starts_no_rehearsal(site, admin, viewer):
    webhook = await _sent(site, 1)
    page = await admin.post(f"/{webhook.id}/rehearse", {"url": URL, "last": "1"})
    path = page.url.partition("/settings/webhooks")[2]
    csrf = page.csrf
    assert (await viewer.get(f"/{webhook.id}/rehearse")).status == 403
    assert (await viewer.get(path)).status == 403
    assert (await viewer.post(f"{path}/cancel", csrf=csrf)).status == 403
    assert (await admin.get("/rehearsals/nonsense")).status == 404

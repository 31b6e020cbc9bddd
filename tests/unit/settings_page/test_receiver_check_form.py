"""The page *Check receiver* without JavaScript: before a check, the report card, its limits."""

import pytest
import structlog
from tests import broken_receivers as receivers


@pytest.fixture
async def receiver():
    async with receivers.serving(receivers.NoSignatureCheck) as running:
        yield running


@pytest.fixture
async def webhook(site, receiver):
    return await site.webhook(url=receiver.url, secret=receivers.SECRET)


async def test_the_page_says_what_will_be_sent_before_anything_is_sent(admin, webhook, receiver):
    page = await admin.get(f"/{webhook.id}/signing")
    assert page.all("a", href=f"/settings/webhooks/{webhook.id}/check-receiver")
    page = await admin.get(f"/{webhook.id}/check-receiver")
    assert "each request is marked as a test" in page.text
    assert page.has_button("Check receiver")
    assert receiver.requests == []


async def test_the_report_card_has_each_line_with_its_meaning_and_remedy(site, admin, webhook):
    with structlog.testing.capture_logs() as lines:
        page = await admin.post(f"/{webhook.id}/check-receiver", {"event": "contact.created"})
    assert page.status == 200
    assert "1 problem, 1 risk" in page.text
    assert "Problem · A wrong signature 200 X ·" in page.text
    assert "Your receiver accepts forged requests" in page.text
    assert "Fine · A good event" in page.text
    assert len(page.all("li", **{"class": "is-ok"})) == 7
    assert page.has_button("Check again")
    (line,) = [line for line in lines if line["event"] == "receiver checked"]
    assert (line["user"], line["webhook"]) == ("Jane", webhook.id)
    assert receivers.SECRET not in page.html


async def test_a_check_is_no_delivery_and_leaves_no_attempt(site, admin, webhook):
    await admin.post(f"/{webhook.id}/check-receiver", {})
    assert "None yet" in (await admin.get(f"/{webhook.id}")).text
    assert site.node.tests == []


async def test_a_second_check_right_after_is_refused_with_what_to_do(admin, webhook):
    assert (await admin.post(f"/{webhook.id}/check-receiver", {})).status == 200
    page = await admin.post(f"/{webhook.id}/check-receiver", {})
    assert page.status == 503
    assert "wait 10 seconds" in page.text


async def test_viewers_other_organizations_and_other_sites_cannot_start_one(
    site, viewer, admin, webhook, receiver
):
    path = f"/{webhook.id}/check-receiver"
    stranger = await site.browser().sign_in(organization="org_2")
    assert (await viewer.get(path)).status == 403
    assert (await viewer.post(path, {}, csrf="")).status == 403
    assert (await stranger.post(path, {})).status == 404
    assert (await admin.post(path, {}, csrf="wrong")).status == 403
    assert receiver.requests == []


async def test_an_unknown_event_is_refused(admin, webhook):
    page = await admin.post(f"/{webhook.id}/check-receiver", {"event": "contact.create"})
    assert page.status == 422

"""A form that is sent twice, and one whose webhook has changed since it was opened."""

import asyncio
import re

import pytest
from tests.unit.settings_page.webhook_form_fields import FORM, only_webhook

from winnerr_webhooks.domain.ed25519_keys import public_key
from winnerr_webhooks.management.webhook_drafts import WebhookDraft


@pytest.mark.parametrize(
    ("signed", "shown_of"),
    [
        ({"secret": ""}, str),
        ({"secret": "a secret of mine"}, None),
        ({"signing": "ed25519", "secret": ""}, public_key),
        ({"signing": "none", "secret": ""}, None),
    ],
)
async def test_saving_a_new_webhook_three_times_makes_one(site, admin, signed, shown_of):
    form = await admin.get("/new")
    token = form.all("input", name="token")[0]["value"]
    fields = FORM | signed | {"token": token}
    csrf = form.csrf
    pages = await asyncio.gather(*(admin.post("/new", fields, csrf=csrf) for _ in range(3)))
    webhook = await only_webhook(site)
    stored = await site.storage.secrets("org_1", webhook.id)
    assert {page.url.partition("?")[0] for page in pages} == {pages[0].url.partition("?")[0]}
    assert pages[0].url.endswith(f"/{webhook.id}?done=created")
    # After Back, the same form shows what is stored, and with another URL is another webhook.
    again = await admin.post("/new", fields, csrf=csrf)
    shown = [one["value"] for one in again.all("input", id="revealed")]
    assert shown == ([shown_of(stored[0])] if shown_of else [])
    assert await site.storage.secrets("org_1", webhook.id) == stored
    await admin.post("/new", fields | {"url": "http://127.0.0.1:9/2"}, csrf=csrf)
    assert len(await site.page.webhooks.list("org_1")) == 2


async def test_a_form_sent_again_with_another_kind_of_signature_is_another_webhook(site, admin):
    token = (await admin.get("/new")).all("input", name="token")[0]["value"]
    kinds = ({"secret": ""}, {"signing": "ed25519"}, {"signing": "none"}, {"secret": "one of mine"})
    for signed in kinds:
        await admin.post("/new", FORM | signed | {"token": token})
    found = await site.page.webhooks.list("org_1")
    assert [(one.signing, one.has_secret) for one in found] == [
        ("hmac", True),
        ("ed25519", True),
        ("hmac", False),
        ("hmac", True),
    ]


async def test_a_webhook_created_again_comes_with_the_secret_that_is_stored(site):
    new_id = site.page.webhooks.new_id()
    draft = WebhookDraft(url=FORM["url"], events=[FORM["events"]], generate_secret=True)
    first, again = [
        await site.page.webhooks.create("org_1", draft, webhook_id=new_id) for _time in range(2)
    ]
    assert first.webhook.id == again.webhook.id == new_id
    assert first.secret == again.secret == await site.page.webhooks.secret("org_1", new_id)


async def test_the_token_of_a_form_counts_for_its_visitor_only(site, admin):
    other = await site.browser().sign_in(organization="org_2")
    token = (await other.get("/new")).all("input", name="token")[0]["value"]
    for wrong in (token, "wh_" + "0" * 26 + ".00", "nonsense"):
        await admin.post("/new", [*FORM.items(), ("token", wrong), ("description", wrong[:9])])
    ids = {webhook.id for webhook in await site.page.webhooks.list("org_1")}
    assert len(ids) == 3
    assert not [one for one in ids if one in token or "0" * 26 in one]


async def test_a_form_whose_webhook_was_deleted_since_says_so(site, admin):
    form = await admin.get("/new")
    fields = [*FORM.items(), ("token", form.all("input", name="token")[0]["value"])]
    await admin.post("/new", fields)
    await admin.post(f"/{(await only_webhook(site)).id}/delete")
    page = await admin.post("/new", fields)
    assert page.status == 422
    assert "was used before, and its webhook was deleted" in page.text


async def test_editing_in_two_tabs_shows_both_versions_before_one_is_lost(site, admin):
    webhook = await site.webhook(description="as it was")

    async def opened():
        form = await admin.get(f"/{webhook.id}/edit")
        return form.all("input", name="known")[0]["value"]

    first = second = await opened()
    fields = {"url": webhook.url, "events": "*", "description": "of tab one", "known": first}
    assert (await admin.post(f"/{webhook.id}/edit", fields)).url.endswith("?done=saved")
    fields |= {"description": "of tab two", "known": second}
    page = await admin.post(f"/{webhook.id}/edit", fields)
    assert page.status == 409
    assert "Description is now of tab one , and here of tab two" in page.text
    assert (await only_webhook(site)).description == "of tab one"
    assert page.all("input", id="description")[0]["value"] == "of tab two"
    fields["known"] = page.all("input", name="known")[0]["value"]
    assert (await admin.post(f"/{webhook.id}/edit", fields)).url.endswith("?done=saved")
    assert (await only_webhook(site)).description == "of tab two"


async def test_the_numbers_of_both_versions_are_written_as_in_their_fields(site, admin):
    german = {"Accept-Language": "de"}
    webhook = await site.webhook(name="1.5")
    known = (await admin.get(f"/{webhook.id}/edit")).all("input", name="known")[0]["value"]
    fields = {"url": webhook.url, "events": "*"}
    meanwhile = fields | {"rate": "0,5", "schedule": "own", "waits": "0,5; 60", "name": "2.5"}
    await admin.post(f"/{webhook.id}/edit", meanwhile, headers=german)
    mine = {"rate": "1,5", "schedule": "own", "waits": "1,5; 60", "name": "1.5"}
    own = fields | mine | {"known": known}
    page = await admin.post(f"/{webhook.id}/edit", own, headers=german)
    assert page.status == 409
    quoted = re.findall("<q>(.*?)</q>", page.html)
    assert quoted == ["2.5", "1.5", "0,5; 60", "1,5; 60", "0,5", "1,5"]
    # The activity has them as the fields, too; a name is no number.
    changes = (await admin.get("/activity", headers=german)).html
    assert "<ins>0,5</ins>" in changes
    assert "<ins>0,5; 60</ins>" in changes
    assert "<ins>2.5</ins>" in changes
    assert "<ins>0.5</ins>" in (await admin.get("/activity")).html


async def test_a_pause_in_between_is_no_conflict_of_the_form(site, admin):
    webhook = await site.webhook()
    known = (await admin.get(f"/{webhook.id}/edit")).all("input", name="known")[0]["value"]
    await admin.post(f"/{webhook.id}/pause")
    fields = {"url": webhook.url, "events": "*", "description": "mine", "known": known}
    page = await admin.post(f"/{webhook.id}/edit", fields)
    assert page.url.endswith("?done=saved")
    assert (await only_webhook(site)).status == "paused"


async def test_headers_given_meanwhile_are_named_before_a_form_removes_them(site, admin):
    webhook = await site.webhook()
    known = (await admin.get(f"/{webhook.id}/edit")).all("input", name="known")[0]["value"]
    fields = {"url": webhook.url, "events": "*"}
    given = {"headers": "X-Tenant: t3nant", "auth": "bearer", "bearer-token": "t0ken"}
    await admin.post(f"/{webhook.id}/edit", fields | given)
    page = await admin.post(
        f"/{webhook.id}/edit", fields | {"headers": "X-Other: 0ther", "known": known}
    )
    assert page.status == 409
    assert "Headers is now X-Tenant , and here X-Other" in page.text
    assert "Authentication is now set , and here \u2013" in page.text
    assert (await only_webhook(site)).header_names == ("X-Tenant",)

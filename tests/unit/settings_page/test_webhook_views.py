"""The Webhooks tab without JavaScript: the list, the form, and the page of one webhook."""

import asyncio
import re

import pytest
import structlog
from tests.certificates import Authority

from winnerr_webhooks.domain.credentials import MtlsAuth, OAuth2Auth
from winnerr_webhooks.domain.ed25519_keys import public_key
from winnerr_webhooks.management.webhook_drafts import WebhookDraft

FORM = {"url": "http://127.0.0.1:9/hook", "events": "contact.created"}


async def only_webhook(site):
    (webhook,) = await site.page.webhooks.list("org_1")
    return webhook


async def test_without_webhooks_the_page_says_what_to_do_next(admin, viewer):
    page = await admin.get()
    assert "No webhooks yet" in page.text
    assert page.all("a", href="/settings/webhooks/new")
    assert "An admin of org_1 can add one" in (await viewer.get()).text


async def test_the_fields_of_the_form_have_their_public_names(admin):
    page = await admin.get("/new")
    labels = dict(re.findall(r'<label[^>]*for="([^"]+)"[^>]*>([^<]+)', page.html))
    assert labels["url"] == "Destination URL"
    assert labels["secret"].strip() == "Secret"
    assert labels["description"].strip() == "Description"
    boxes = [box["value"] for box in page.all("input", type="checkbox", name="events")]
    assert len(boxes) == 27
    assert [box for box in boxes if box.endswith(".*")] == [
        "contact.*", "deal.*", "call.*", "task.*", "email.*", "workflow.*",
    ]  # fmt: skip
    for name in boxes[1:]:
        assert labels[f"event-{name}"] == name
    assert len(page.all("fieldset", **{"class": "category"})) == 6
    assert page.has_button("Save")
    assert "0 of 20 selected" in page.text


async def test_a_saved_webhook_is_live_and_offers_a_test_event(site, admin):
    fields = [*FORM.items(), ("events", "deal.created"), ("description", "Mirror")]
    page = await admin.post("/new", [*fields, ("signing", "none"), ("secret", "")])
    webhook = await only_webhook(site)
    assert webhook.events == ("contact.created", "deal.created")
    assert webhook.status == "active"
    assert not webhook.has_secret
    assert page.url.endswith(f"/{webhook.id}?done=created")
    assert "The webhook is live" in page.text
    assert page.has_button("Send test event")
    assert page.has_button("Pause")
    assert "Mirror" in page.text


async def test_a_saved_webhook_is_signed_and_its_secret_is_shown_once(site, admin, viewer):
    page = await admin.post("/new", FORM | {"secret": ""})
    webhook = await only_webhook(site)
    (shown,) = page.all("input", id="revealed")
    assert shown["value"] == await site.page.webhooks.secret("org_1", webhook.id)
    assert page.all("button", **{"data-copy": "#revealed"})
    assert shown["value"] not in (await viewer.get(f"/{webhook.id}?done=created")).html
    assert shown["value"] not in (await admin.get(f"/{webhook.id}?done=created")).html


async def test_an_own_secret_is_kept_and_contradicts_a_webhook_without_signature(site, admin):
    own = {"secret": "s3cret-of-ours"}
    refused = await admin.post("/new", FORM | own | {"signing": "none"})
    assert refused.status == 422
    assert "Choose HMAC-SHA256 above to sign with this secret" in refused.text
    assert refused.all("input", name="secret")[0]["value"] == own["secret"]
    assert 'value="none" selected' in refused.html
    page = await admin.post("/new", FORM | own)
    webhook = await only_webhook(site)
    assert await site.page.webhooks.secret("org_1", webhook.id) == own["secret"]
    assert own["secret"] not in page.html
    assert 'value="none"' not in (await admin.get(f"/{webhook.id}/edit")).html


OPTIONS = {"name": "CRM & co", "timeout": "2.5", "schedule": "own", "waits": "60, 0.5"}


async def test_a_webhook_gets_its_name_time_limit_and_retries_from_the_form(site, admin):
    page = await admin.post("/new", FORM | OPTIONS | {"paused": "1"})
    webhook = await only_webhook(site)
    assert (webhook.name, webhook.timeout) == ("CRM & co", 2.5)
    assert (webhook.retry_schedule, webhook.status) == ((60, 0.5), "paused")
    settings = await admin.get(f"/{webhook.id}/settings")
    assert "An attempt may take 2.5 s." in settings.text
    assert "2 retries, after 1 minute and 0.5 seconds" in settings.text
    assert "CRM &amp; co" in page.html

    edit = await admin.get(f"/{webhook.id}/edit")
    for field in ("name", "timeout", "waits"):
        assert edit.all("input", name=field)[0]["value"] == OPTIONS[field]
    assert edit.all("option", value="own")[0].keys() >= {"selected"}
    assert not edit.all("input", name="paused")
    await admin.post(f"/{webhook.id}/edit", FORM | {"schedule": "long", "waits": "5"})
    changed = await only_webhook(site)
    assert (changed.name, changed.timeout, changed.retry_schedule) == (None, None, "long")


async def test_headers_and_authentication_are_given_in_the_form_and_never_shown(site, admin):
    fields = {
        "headers": "X-Tenant: t3nant\r\nX-Key: s3cret: x",
        "auth": "basic",
        "username": "crm",
        "password": "pa55",
    }
    page = await admin.post("/new", FORM | fields)
    webhook = await only_webhook(site)

    async def credentials():
        return (await site.page.storage.targets([webhook.id]))[0].credentials

    first = await credentials()
    assert first.lines() == [
        ("Authorization", "Basic Y3JtOnBhNTU="),
        ("X-Tenant", "t3nant"),
        ("X-Key", "s3cret: x"),
    ]
    assert "X-Key: •••" in (await admin.get(f"/{webhook.id}/settings")).html
    edit = await admin.get(f"/{webhook.id}/edit")
    for secret in ("t3nant", "s3cret", "pa55", "Y3Jt"):
        assert secret not in page.html + edit.html
    assert "\nX-Tenant: •••\nX-Key: •••</textarea>" in edit.html

    kept = {"headers": "X-Tenant: •••\r\nX-Key: •••", "auth": "keep"}
    await admin.post(f"/{webhook.id}/edit", FORM | kept)
    assert await credentials() == first
    moved = await admin.post(f"/{webhook.id}/edit", FORM | kept | {"url": "http://127.0.0.2:9/"})
    assert moved.status == 422
    assert "Give their values again" in moved.text
    await admin.post(f"/{webhook.id}/edit", FORM | {"auth": "bearer", "bearer-token": "t0ken"})
    assert (await credentials()).lines() == [("Authorization", "Bearer t0ken")]
    await admin.post(f"/{webhook.id}/edit", FORM)
    assert not await credentials()
    wrong = await admin.post("/new", FORM | {"headers": "Host: x", "auth": "keep"})
    assert wrong.status == 422
    assert "Fix 2 fields to save" in wrong.text


async def test_a_rate_limit_is_given_in_the_form(site, admin):
    await admin.post("/new", FORM | {"rate": "2.5"})
    webhook = await only_webhook(site)
    assert webhook.rate_limit == 2.5
    shown = await admin.get(f"/{webhook.id}/settings")
    assert "At most 2.5 attempts a second." in shown.text
    edit = await admin.get(f"/{webhook.id}/edit")
    assert edit.all("input", name="rate")[0]["value"] == "2.5"
    for wrong in ("0", "fast", "1001", "nan", "inf"):
        refused = await admin.post(f"/{webhook.id}/edit", FORM | {"rate": wrong})
        assert refused.status == 422
        assert "The rate limit must be from 0.1 to 1,000 attempts a second." in refused.text
        assert refused.all("input", name="rate")[0]["value"] == wrong
    await admin.post(f"/{webhook.id}/edit", FORM | {"rate": ""})
    assert (await only_webhook(site)).rate_limit is None


async def test_an_order_is_chosen_in_the_form(site, admin):
    await admin.post("/new", FORM | {"order": "path", "order-path": "data.id"})
    webhook = await only_webhook(site)
    assert webhook.order_by == "data.id"
    shown = await admin.get(f"/{webhook.id}/settings")
    assert "In order for each value of data.id" in shown.text
    edit = await admin.get(f"/{webhook.id}/edit")
    assert edit.all("input", name="order-path")[0]["value"] == "data.id"
    assert edit.all("option", value="path")[0].keys() >= {"selected"}
    wrong = await admin.post(f"/{webhook.id}/edit", FORM | {"order": "path", "order-path": "id"})
    assert wrong.status == 422
    assert "The path must lead to a member of the payload" in wrong.text
    await admin.post(f"/{webhook.id}/edit", FORM | {"order": "one", "order-path": "x"})
    assert (await only_webhook(site)).order_by == ""
    shown = await admin.get(f"/{webhook.id}/settings")
    assert "All events in order, one after the other." in shown.text
    await admin.post(f"/{webhook.id}/edit", FORM | {"order-path": "data.id"})
    assert (await only_webhook(site)).order_by is None


async def test_a_filter_is_given_as_json_and_its_mistake_is_shown_with_its_place(site, admin):
    text = '{"data": {"n": {"$gte": 1.50}}}'
    await admin.post("/new", FORM | {"filter": text})
    webhook = await only_webhook(site)
    assert webhook.filter == text.replace(" ", "")
    assert "Only events that match" in (await admin.get(f"/{webhook.id}/settings")).text
    assert "1.50" in (await admin.get(f"/{webhook.id}/edit")).html
    wrong = await admin.post(f"/{webhook.id}/edit", FORM | {"filter": '{"data": {"$gtt": 1}}'})
    assert wrong.status == 422
    assert "At /data/$gtt: There is no operator $gtt." in wrong.text
    await admin.post(f"/{webhook.id}/edit", FORM)
    assert (await only_webhook(site)).filter is None


async def test_a_filter_is_tried_before_it_is_saved_and_nothing_is_lost_by_it(site, admin):
    fields = FORM | {"filter": '{"event": "contact.created"}', "name": "CRM", "try": "1"}
    page = await admin.post("/new", fields)
    assert page.status == 200
    assert "0 of the last 0 events match." in page.text
    assert page.all("input", name="name")[0]["value"] == "CRM"
    assert await site.page.webhooks.list("org_1") == []
    wrong = await admin.post("/new", fields | {"filter": "{"})
    assert wrong.status == 422
    assert "The filter is not JSON" in wrong.text


async def test_client_credentials_are_given_in_the_form_and_their_secret_is_asked_for_again(
    site, admin
):
    fields = {
        "auth": "oauth2",
        "token-url": "http://127.0.0.1:9/token",
        "client-id": "crm",
        "client-secret": "s3cret",
        "scope": "",
    }
    refused = await admin.post("/new", FORM | fields | {"name": "x" * 81})
    assert refused.status == 422
    assert refused.all("input", id="token-url")[0]["value"] == fields["token-url"]
    assert "s3cret" not in refused.html
    wrong = await admin.post("/new", FORM | fields | {"token-url": "https://10.0.0.1/"})
    assert (wrong.status, "not on the public internet" in wrong.text) == (422, True)
    await admin.post("/new", FORM | fields)
    webhook = await only_webhook(site)
    (target,) = await site.page.storage.targets([webhook.id])
    assert target.credentials.auth == OAuth2Auth("http://127.0.0.1:9/token", "crm", "s3cret")
    settings = await admin.get(f"/{webhook.id}/settings")
    assert "oauth2, •••" in settings.text


async def test_a_client_certificate_is_given_in_the_form_and_its_key_is_asked_for_again(
    site, admin, tmp_path
):
    alice = Authority(tmp_path).issue("alice")
    fields = {"url": "https://127.0.0.1:9/hook", "auth": "mtls", "certificate": alice.certificate}
    refused = await admin.post("/new", FORM | fields)
    assert (refused.status, "`privateKey` is missing" in refused.text) == (422, True)
    assert alice.certificate.splitlines()[1] in refused.html
    fields["private-key"] = alice.key
    wrong = await admin.post("/new", FORM | fields | {"name": "x" * 81})
    assert wrong.status == 422
    assert alice.key.splitlines()[1] not in wrong.html
    await admin.post("/new", FORM | fields)
    webhook = await only_webhook(site)
    (target,) = await site.page.storage.targets([webhook.id])
    auth = target.credentials.auth
    assert isinstance(auth, MtlsAuth)
    assert auth.private_key.split() == alice.key.split()
    assert "mtls, •••" in (await admin.get(f"/{webhook.id}/settings")).text


async def test_ed25519_is_chosen_in_the_form_and_only_its_public_key_is_shown(site, admin, viewer):
    created = await admin.post("/new", FORM | {"signing": "ed25519"})
    webhook = await only_webhook(site)
    page = await admin.get(f"/{webhook.id}/signing")
    assert webhook.signing == "ed25519"
    (shown,) = page.all("input", id="public-key")
    assert shown["value"].startswith("whpk_")
    assert created.all("input", id="revealed")[0]["value"] == shown["value"]
    assert "whsk_" not in created.html + page.html
    assert "Reveal secret" not in page.text
    assert shown["value"] in (await viewer.get(f"/{webhook.id}/signing")).html
    rotated = await admin.post(f"/{webhook.id}/rotate", {"overlap": "3600"})
    assert "webhook-signature has an entry of the old key" in rotated.text
    (new,) = rotated.all("input", id="public-key")
    assert new["value"] != shown["value"]
    await admin.post(f"/{webhook.id}/switch", {})
    assert (await only_webhook(site)).overlap_ends_at is None
    check = await admin.post(
        f"/{webhook.id}/signature-check", {"body": "{}", "headers": "webhook-signature: v1a,x"}
    )
    assert "this is about Ed25519" in check.text
    edit = await admin.get(f"/{webhook.id}/edit")
    assert 'value="ed25519" selected' in edit.html
    await admin.post(f"/{webhook.id}/edit", FORM | {"signing": "hmac"})
    assert (await only_webhook(site)).signing == "hmac"


async def test_no_signature_is_chosen_for_new_webhooks_only(site, admin):
    await admin.post("/new", FORM | {"signing": "ed25519"})
    webhook = await only_webhook(site)
    secrets = await site.storage.secrets("org_1", webhook.id)
    page = await admin.post(f"/{webhook.id}/edit", FORM | {"signing": "none"})
    assert page.status == 422
    assert page.all("select", id="signing")[0]["aria-invalid"] == "true"
    assert await site.storage.secrets("org_1", webhook.id) == secrets


@pytest.mark.parametrize("signing", ["none", "ed25519", "hmac"])
async def test_a_secret_generated_in_the_form_chooses_the_signature_that_has_one(
    site, admin, signing
):
    page = await admin.post("/new", FORM | {"signing": signing, "generate": "1"})
    (secret,) = [one["value"] for one in page.all("input", name="secret")]
    assert 'value="hmac" selected' in page.html
    assert "Leave this empty to generate a strong secret." in page.text
    await admin.post("/new", FORM | {"signing": "hmac", "secret": secret})
    webhook = await only_webhook(site)
    assert await site.page.webhooks.secret("org_1", webhook.id) == secret


async def test_a_webhook_is_named_first_wherever_it_is_shown(site, admin):
    await admin.post("/new", FORM | OPTIONS)
    webhook = await only_webhook(site)
    for path, shown in (
        ("", "CRM &amp; co</a>"),
        (f"/{webhook.id}", "CRM &amp; co</h1>"),
        (f"/{webhook.id}/delete", "CRM &amp; co</b>"),
        (f"/{webhook.id}/recover", "CRM &amp; co</a>"),
        (f"/{webhook.id}/signature-check", "CRM &amp; co</a>"),
        (f"/{webhook.id}/check-receiver", "CRM &amp; co</a>"),
        ("/logs", "CRM &amp; co</option>"),
    ):
        assert shown in (await admin.get(path)).html, path


async def test_wrong_options_are_shown_at_their_fields(admin):
    wrong = {"name": "x" * 81, "timeout": "soon", "schedule": "own", "waits": "60, x"}
    page = await admin.post("/new", FORM | wrong)
    assert page.status == 422
    assert "Fix 3 fields to save" in page.text
    for field, message in (
        ("name", "name-error"),
        ("timeout", "timeout-error"),
        ("waits", "retrySchedule-error"),
    ):
        (control,) = page.all("input", name=field)
        assert control["aria-invalid"] == "true"
        assert message in control["aria-describedby"].split()
        assert control["value"] == wrong[field]
    assert page.all("a", href="#waits")


async def test_all_events_is_one_checkbox(site, admin):
    await admin.post("/new", [("url", FORM["url"]), ("events", "*"), ("events", "deal.created")])
    assert (await only_webhook(site)).events == ("*",)


async def test_a_pattern_is_one_checkbox_and_includes_the_boxes_below_it(site, admin):
    ticked = ["deal.*", "deal.created", "contact.created"]
    page = await admin.post("/new", [("url", FORM["url"]), *(("events", one) for one in ticked)])
    webhook = await only_webhook(site)
    assert webhook.events == ("contact.created", "deal.*")
    settings = await admin.get(f"/{webhook.id}/settings")
    assert settings.all("li", title="4 events, and any that are added later")
    assert "contact.created +1" in (await admin.get()).text
    options = re.findall("<option>([^<]+)</option>", page.html)
    assert options == [
        "contact.created", "deal.created", "deal.stage_changed", "deal.closed_won",
        "deal.closed_lost",
    ]  # fmt: skip
    form = await admin.get(f"/{webhook.id}/edit")
    assert "5 of 20 selected" in form.text
    ticked = [box["value"] for box in form.all("input", name="events") if "checked" in box]
    assert ticked == ["contact.created", "deal.*"]


async def test_errors_are_shown_at_their_fields_and_in_a_summary_and_input_is_kept(site, admin):
    fields = {"url": "http://10.0.0.1/<i>", "secret": "short", "description": "Mine & yours"}
    page = await admin.post("/new", fields)

    assert page.status == 422
    assert "Fix 3 fields to save" in page.text
    links = {a["href"] for a in page.all("a") if a["href"].startswith("#")}
    assert {"#url", "#events", "#secret"} <= links
    for link in links - {"#main"}:
        assert any(attributes.get("id") == link[1:] for _, attributes in page.tags)
    for field, message in (("url", "url-check"), ("secret", "secret-error")):
        (control,) = page.all("input", name=field)
        assert control["aria-invalid"] == "true"
        assert message in control["aria-describedby"].split()
        assert control["value"] == fields[field]
    assert page.all("input", name="description")[0]["value"] == "Mine & yours"
    assert "<i>" not in page.html
    assert await site.page.webhooks.list("org_1") == []


async def test_generating_a_secret_keeps_the_other_input(site, admin):
    page = await admin.post("/new", [*FORM.items(), ("generate", "1")])
    secret = page.all("input", name="secret")[0]["value"]
    assert secret.startswith("whsec_")
    assert page.all("input", name="url")[0]["value"] == FORM["url"]
    assert "checked" in page.all("input", value="contact.created")[0]
    assert await site.page.webhooks.list("org_1") == []


async def test_enter_saves_the_form(admin):
    """Enter presses the first submit button, which has no name and so saves like Save."""
    page = await admin.get("/new")
    form = page.html[page.html.index('id="form"') :]
    first = re.search(r"<(?:button|input type=\"submit\")[^>]*>", form)[0]
    assert first.startswith("<input")
    assert "name=" not in first
    assert "formaction" not in first


async def test_a_url_is_checked_when_the_user_leaves_its_field(admin):
    token = (await admin.get("/new")).csrf
    for url, ok in (("http://10.0.0.1/", False), ("ftp://x", False), (FORM["url"], True)):
        async with admin.session.post(
            "/settings/webhooks/check-url", data={"url": url, "csrf": token}
        ) as answer:
            result = await answer.json()
        assert result["ok"] is ok
        assert bool(result["message"]) is not ok


async def test_too_many_webhooks_are_refused_on_the_form(make_site):
    site = await make_site(max_webhooks=1)
    admin = await site.browser().sign_in()
    await site.webhook()
    page = await admin.post("/new", FORM)
    assert page.status == 422
    assert "delete one first" in page.text


async def test_editing_changes_what_was_changed(site, admin):
    webhook = await site.webhook(events=["contact.created"], description="Old")
    form = await admin.get(f"/{webhook.id}/edit")
    assert form.all("input", name="description")[0]["value"] == "Old"
    assert "checked" in form.all("input", value="contact.created")[0]
    assert not form.all("input", name="secret")
    page = await admin.post(
        f"/{webhook.id}/edit", {**FORM, "events": "deal.created", "description": ""}
    )
    assert "Saved." in page.text
    changed = await only_webhook(site)
    assert (changed.events, changed.description) == (("deal.created",), None)
    wrong = await admin.post(f"/{webhook.id}/edit", {"url": "", "events": "deal.created"})
    assert wrong.status == 422


async def test_the_page_follows_a_test_event_until_its_result(site, admin):
    webhook = await site.webhook()
    page = await admin.post(f"/{webhook.id}/test", {"event": "deal.closed_won"})
    assert "Test event on its way" in page.text
    assert page.all("section", id="test")[0]["data-refresh"] == "1"
    (delivery,) = site.node.tests
    assert delivery.event == "deal.closed_won"

    await site.settle(delivery, 503, happened="exhausted")
    page = await admin.get(page.url.partition("/settings/webhooks")[2])
    assert "Test event failed" in page.text
    assert "See what is wrong" in page.text


async def test_resuming_offers_to_send_the_missed_events(site, admin):
    webhook = await site.webhook()
    page = await admin.post(f"/{webhook.id}/pause")
    assert "Paused" in page.text
    assert page.has_button("Resume")
    assert "you missed" not in page.text
    for _ in range(3):
        await site.event()
    assert "Send the 3 events you missed" in (await admin.get(f"/{webhook.id}")).text

    page = await admin.post(f"/{webhook.id}/resume", {"missed": "1"})
    assert "are being sent now" in page.text
    assert (await only_webhook(site)).status == "active"
    assert await site.storage.run_job_slice()


async def test_a_disabled_webhook_says_why_and_can_be_enabled_again(site, admin):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    gone = site.settlement(delivery, 410, happened="exhausted")
    verdict = type(gone.verdict)(happened="exhausted", disable="It answered 410 Gone.")
    await site.storage.settle([type(gone)(delivery=delivery, record=gone.record, verdict=verdict)])

    listed = await admin.get()
    assert "Disabled" in listed.text
    assert "It answered 410 Gone." in listed.text
    page = await admin.get(f"/{webhook.id}")
    assert page.has_button("Re-enable")
    assert page.has_button("Send test event")


async def test_a_failing_webhook_links_its_first_failure(site, admin):
    webhook = await site.webhook()
    (delivery,) = await site.event()
    first = await site.settle(delivery, 503)
    listed = await admin.get()
    assert "Failing" in listed.text
    assert "503 Made Up since" in listed.text
    for page in (listed, await admin.get(f"/{webhook.id}")):
        assert page.all("a", href=f"/settings/webhooks/logs/{first}")


async def test_deleting_shows_first_how_many_waiting_deliveries_are_cancelled(site, admin):
    webhook = await site.webhook()
    await site.event()
    await site.event()
    page = await admin.get(f"/{webhook.id}/delete")
    assert "2 waiting deliveries" in page.text
    assert page.has_button("Delete")
    page = await admin.post(f"/{webhook.id}/delete")
    assert "Its attempts stay in the log" in page.text
    assert (await admin.get(f"/{webhook.id}")).status == 404


async def test_deleting_shows_first_how_many_missed_deliveries_are_lost(site, admin):
    webhook = await site.webhook()
    nothing = await admin.get(f"/{webhook.id}/delete")
    await admin.post(f"/{webhook.id}/pause")
    for _ in range(2):
        await site.event()
    page = await admin.get(f"/{webhook.id}/delete")
    assert "none is lost" in nothing.text
    assert "2 missed deliveries" in page.text
    assert "can no longer be sent" in page.text
    assert "none is lost" not in page.text


async def test_revealing_a_secret_is_audited_without_the_secret(site, admin):
    webhook = await site.webhook(secret="a secret of mine")
    assert "a secret of mine" not in (await admin.get(f"/{webhook.id}/signing")).html
    with structlog.testing.capture_logs() as lines:
        page = await admin.post(f"/{webhook.id}/secret")
    assert page.all("input", id="revealed")[0]["value"] == "a secret of mine"
    (line,) = [one for one in lines if one["event"] == "signing key revealed"]
    assert (line["user"], line["webhook"], line["organization"]) == ("Jane", webhook.id, "org_1")
    assert "a secret of mine" not in str(lines)


@pytest.mark.parametrize("act", ["secret", "rotate"])
async def test_a_secret_is_shown_after_a_redirect_and_a_reload_neither_shows_nor_rotates_it(
    site, admin, act
):
    webhook = await site.webhook(secret="a secret of mine")
    page = await admin.post(f"/{webhook.id}/{act}", {"overlap": "3600"})
    assert page.url.partition("?")[0].endswith(f"/{webhook.id}/signing")
    shown = page.all("input", id="revealed")[0]["value"]
    assert shown not in page.url
    stored = await site.storage.secrets("org_1", webhook.id)
    assert shown == (stored[1] or stored[0])
    with structlog.testing.capture_logs() as lines:
        again = await admin.get(page.url.partition("/settings/webhooks")[2])
    assert shown not in again.html
    assert not again.all("input", id="revealed")
    assert not lines
    if act == "rotate":
        assert "Reveal it below" in again.text
    assert await site.storage.secrets("org_1", webhook.id) == stored


async def test_a_secret_to_be_shown_is_only_that_of_its_webhook(site, admin):
    webhook = await site.webhook(secret="a secret of mine")
    other = await site.webhook(secret="another secret")
    await admin.post(f"/{webhook.id}/secret", allow_redirects=False)
    page = await admin.get(f"/{other.id}/signing")
    assert not page.all("input", id="revealed")
    assert "another secret" not in page.html


async def test_rotating_shows_the_new_secret_and_when_the_old_one_stops(site, admin):
    webhook = await site.webhook(secret="a secret of mine")
    page = await admin.post(f"/{webhook.id}/rotate", {"overlap": "3600"})
    fresh = page.all("input", id="revealed")[0]["value"]
    assert fresh.startswith("whsec_")
    assert "the old secret signs" in page.text
    assert "in 59 min" in page.text or "in 1 h" in page.text
    assert await site.storage.secrets("org_1", webhook.id) == ("a secret of mine", fresh)

    page = await admin.post(f"/{webhook.id}/switch")
    assert "Only the new secret signs" in page.text
    assert await site.storage.secrets("org_1", webhook.id) == (fresh, None)
    assert (await admin.post(f"/{webhook.id}/switch")).status == 409


async def test_an_invalid_secret_is_refused_at_its_field(site, admin):
    webhook = await site.webhook()
    page = await admin.post(f"/{webhook.id}/rotate", {"secret": "short"})
    assert page.status == 422
    assert page.all("input", id="new-secret")[0]["aria-invalid"] == "true"
    page = await admin.post(f"/{webhook.id}/rotate", {"secret": "long enough", "overlap": "0"})
    assert "Requests are signed" in page.text
    page = await admin.post(f"/{webhook.id}/unsign")
    assert "Requests are unsigned" in page.text


async def test_a_number_of_5000_digits_is_refused_beside_its_field(site, admin):
    webhook = await site.webhook(secret="a-secret-of-mine")
    for path, fields in (
        ("rotate", {"overlap": "9" * 5_000}),
        ("rehearse", {"url": "http://127.0.0.1:9/other", "last": "9" * 5_000}),
    ):
        assert (await admin.post(f"/{webhook.id}/{path}", fields)).status == 422, path


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


async def test_a_basic_password_that_the_form_lost_is_asked_for_again(site, admin):
    page = await admin.post("/new", FORM | {"auth": "basic", "username": "crm"})
    assert page.status == 422
    assert "`password` is missing" in page.text


async def test_a_webhooks_page_has_four_parts_and_names_the_one_that_is_shown(site, admin, viewer):
    webhook = await site.webhook(secret="a secret of mine")
    own = f"/settings/webhooks/{webhook.id}"
    parts = ("", "/deliveries", "/settings", "/signing")
    for reader in (admin, viewer):
        for part in parts:
            page = await reader.get(f"/{webhook.id}{part}")
            assert page.status == 200
            assert [one["href"] for one in page.all("a", **{"aria-current": "page"})] == [
                "/settings/webhooks",
                own + part,
            ]
            assert {own + one for one in parts} <= {one["href"] for one in page.all("a")}


async def test_the_deliveries_of_a_webhook_are_listed_by_outcome_and_a_page_at_a_time(site, admin):
    webhook = await site.webhook()
    made = []
    for status in (200, *[503] * 51):
        (delivery,) = await site.event()
        made.append(await site.settle(delivery, status))
    page = await admin.get(f"/{webhook.id}/deliveries")
    assert [row["id"] for row in page.all("tr") if "id" in row] == made[:1:-1]
    (older,) = [one["href"] for one in page.all("a", rel="next")]
    assert [row["id"] for row in (await admin.get(older)).all("tr") if "id" in row] == made[1::-1]
    path = f"/{webhook.id}/deliveries?outcome="
    assert [
        row["id"] for row in (await admin.get(path + "succeeded")).all("tr") if "id" in row
    ] == [made[0]]
    failed = await admin.get(path + "failed&before=" + made[2])
    assert [row["id"] for row in failed.all("tr") if "id" in row] == [made[1]]
    assert (await admin.get(path + "nonsense&before=nonsense")).status == 200


async def test_a_failing_webhook_says_what_to_do_and_offers_to_replay_all_that_failed(
    site, admin, viewer
):
    webhook = await site.webhook()
    other = await site.webhook()
    for _event in range(2):
        for delivery in await site.event():
            if delivery.webhook_id == webhook.id:
                last = await site.settle(delivery, 401, happened="exhausted")
    for part in ("", "/deliveries"):
        page = await admin.get(f"/{webhook.id}{part}")
        assert "What to do:" in page.text
        assert "Replay all 2 failed deliveries…" in page.text
        assert page.all("a", href=f"/settings/webhooks/logs/{last}")
        (link,) = [one["href"] for one in page.all("a") if "/logs/replay" in one["href"]]
        assert "2 failed deliveries" in (await admin.get(link)).text
        assert "Replay all" not in (await viewer.get(f"/{webhook.id}{part}")).text
    assert "What to do:" not in (await admin.get(f"/{webhook.id}/settings")).text
    assert "What to do:" not in (await admin.get(f"/{other.id}")).text


async def test_the_overview_has_charts_of_four_lengths_of_time_with_tables(site, admin):
    webhook = await site.webhook()
    path = f"/{webhook.id}"
    assert "No attempts in this time." in (await admin.get(path)).text
    for status in (200, 200, 503):
        (delivery,) = await site.event("deal.created")
        await site.settle(delivery, status)
    for name in ("1h", "24h", "7d", "30d"):
        page = await admin.get(f"{path}?time={name}")
        (chosen,) = list(page.all("a", **{"aria-current": "true"}))
        assert chosen["href"].endswith(f"?time={name}")
        for title in ("By outcome", "Delivery time", "By status", "By event type"):
            assert title in page.text
        assert "2xx 2" in page.text
        assert "5xx 1" in page.text
        assert "deal.created 3" in page.text
        assert "p99 91 ms" in page.text
        assert "estimated" not in page.text
        assert len(page.all("table", **{"class": "numbers"})) == 4
    for odd in ("", "?time=2h"):
        (chosen,) = list((await admin.get(path + odd)).all("a", **{"aria-current": "true"}))
        assert chosen["href"].endswith("?time=24h")

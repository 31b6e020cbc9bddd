"""The form of a webhook without JavaScript: its fields, what is saved, and its errors."""

import re

from tests.certificates import Authority
from tests.unit.settings_page.webhook_form_fields import FORM, only_webhook

from winnerr_webhooks.domain.credentials import MtlsAuth, OAuth2Auth


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


async def test_the_numbers_of_the_form_are_written_as_the_language_does(site, admin):
    german = {"Accept-Language": "de"}
    waits = {"schedule": "own", "waits": "0,5; 60"}
    await admin.post("/new", FORM | waits | {"rate": "1.000", "timeout": "2,5"}, headers=german)
    webhook = await only_webhook(site)
    assert (webhook.rate_limit, webhook.timeout) == (1_000, 2.5)
    assert webhook.retry_schedule == (0.5, 60)
    await admin.post(f"/{webhook.id}/edit", FORM | {"rate": "0,5"}, headers=german)
    assert (await only_webhook(site)).rate_limit == 0.5
    page = await admin.get(f"/{webhook.id}/edit", headers=german)
    assert page.all("input", name="rate")[0]["value"] == "0,5"
    assert "von 0,1 bis 1.000" in page.text
    assert (await admin.get(f"/{webhook.id}/edit")).all("input", name="rate")[0]["value"] == "0.5"


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


async def test_a_basic_password_that_the_form_lost_is_asked_for_again(site, admin):
    page = await admin.post("/new", FORM | {"auth": "basic", "username": "crm"})
    assert page.status == 422
    assert "`password` is missing" in page.text

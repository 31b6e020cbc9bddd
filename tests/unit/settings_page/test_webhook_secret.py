"""The signature of a webhook on the page: secrets are shown once, rotated and removed."""

import pytest
import structlog
from tests.unit.settings_page.webhook_form_fields import FORM, only_webhook


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


async def test_generating_a_secret_keeps_the_other_input(site, admin):
    page = await admin.post("/new", [*FORM.items(), ("generate", "1")])
    secret = page.all("input", name="secret")[0]["value"]
    assert secret.startswith("whsec_")
    assert page.all("input", name="url")[0]["value"] == FORM["url"]
    assert "checked" in page.all("input", value="contact.created")[0]
    assert await site.page.webhooks.list("org_1") == []


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

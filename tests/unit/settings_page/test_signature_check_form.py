"""The page *Signature check* without JavaScript: its form, its findings, and what it keeps."""

import hashlib
import hmac
import io
import json

import pytest
import structlog

from winnerr_webhooks.settings_page.views.signature_check_form import MAX_BODY, MAX_FORM, CheckInput

SECRET = "a secret of this webhook"
BODY = '{"event":"contact.created","timestamp":"t","organizationId":"o","data":{"n":1.50}}'


def signature(body=BODY, secret=SECRET):
    digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return f"sha256={digest}"


@pytest.fixture
async def check(site, admin):
    """Send the form of a webhook that has the secret."""
    webhook = await site.webhook(secret=SECRET)

    async def send(body=BODY, headers=None, secret="", **options):
        fields = {"body": body, "headers": headers or signature(), "secret": secret}
        return await admin.post(f"/{webhook.id}/signature-check", fields, **options)

    send.webhook = webhook
    return send


async def test_the_form_is_reached_from_the_webhook_and_has_labels(check, admin):
    page = await admin.get(f"/{check.webhook.id}/signing")
    assert page.all("a", href=f"/settings/webhooks/{check.webhook.id}/signature-check")
    page = await admin.get(f"/{check.webhook.id}/signature-check")
    labelled = {label["for"] for label in page.all("label")}
    assert {"body", "headers", "secret"} <= labelled
    assert page.has_button("Check signature")


async def test_the_webhook_s_own_secret_is_used_where_none_is_pasted(check):
    page = await check()
    assert page.status == 200
    assert "The signature is valid" in page.text


async def test_each_mistake_has_its_name_and_what_to_do(check):
    page = await check(json.dumps(json.loads(BODY)), signature().removeprefix("sha256="))
    assert "2 mistakes" in page.text
    assert "reserialized" in page.text
    assert "prefix" in page.text
    assert page.text.count("What to do:") == 2


async def test_another_secret_is_named_and_never_shown(check):
    page = await check(secret="pasted by somebody")
    assert "wrong_secret" in page.text
    assert "is not the one that this webhook signs with" in page.text
    assert "pasted by somebody" not in page.html
    assert SECRET not in page.html


async def test_white_space_around_body_and_secret_is_kept(check):
    assert "trailing_newline" in (await check(BODY + "\r\n")).text
    assert "whitespace_in_secret" in (await check(secret=f" {SECRET}")).text
    page = await check("\n" + BODY)
    assert 'aria-describedby="body-hint">\n\n{' in page.html


async def test_a_body_that_was_sent_with_this_webhook_id_is_compared(site, check):
    (delivery,) = await site.event(data=b'{"amount":1.50}')
    sent = delivery.body.decode()
    headers = f"X-Winnerr-Signature: {signature(sent)}\nwebhook-id: {delivery.event_id}\n"
    page = await check(sent.replace("1.50", "1.5 "), headers)
    assert "The same JSON was sent in other bytes" in page.text
    page = await check(sent.replace("1.50", "2.50"), headers)
    assert "changed_body" in page.text


async def test_the_event_of_another_organization_is_not_looked_at(site, check, admin):
    (delivery,) = await site.event(data=b'{"amount":1.50}')
    stranger = await site.browser().sign_in(organization="org_2")
    webhook = await site.webhook(organization="org_2", secret=SECRET)
    headers = (
        f"X-Winnerr-Signature: {signature(delivery.body.decode())}\nwebhook-id: {delivery.event_id}"
    )
    page = await stranger.post(
        f"/{webhook.id}/signature-check", {"body": "{}", "headers": headers, "secret": SECRET}
    )
    assert "The body is not the one that was sent" not in page.text
    page = await stranger.post(f"/{check.webhook.id}/signature-check", {"body": "{}"})
    assert page.status == 404


async def test_during_a_rotation_both_secrets_are_known(site, admin, check):
    await admin.post(f"/{check.webhook.id}/rotate", {"secret": "the new secret", "overlap": "3600"})
    page = await check(secret="the new secret")
    assert "previous_secret" in page.text
    assert "signed with the previous secret" in page.text


async def test_nothing_that_was_pasted_is_logged(check):
    with structlog.testing.capture_logs() as lines:
        await check(BODY + "a body of mine", "X-Mine: headers of mine", "a secret of mine")
    assert "of mine" not in repr(lines)
    assert "mine" not in repr(CheckInput(body="mine", headers="mine", secret="mine"))


async def test_missing_fields_are_named_beside_them_and_the_input_stays(site, admin):
    webhook = await site.webhook()
    page = await admin.post(
        f"/{webhook.id}/signature-check", {"body": "<b>{}", "headers": " ", "secret": ""}
    )
    assert page.status == 422
    assert "Fix 2 fields to check" in page.text
    assert page.all("textarea", id="headers")[0]["aria-invalid"] == "true"
    assert page.all("input", id="secret")[0]["aria-describedby"] == "secret-error secret-hint"
    assert "&lt;b&gt;{}" in page.html


async def test_the_largest_body_fits_and_a_larger_one_is_refused(admin, check):
    large = json.dumps({"data": '"' * 100_000, "event": "é" * 50_000})
    assert (await check(large)).status == 200
    page = await check("x" * (MAX_BODY + 1))
    assert page.status == 422
    assert "larger than 512 KiB" in page.text
    path = admin.path(f"/{check.webhook.id}/signature-check")
    form = io.BytesIO(b"body=" + b"x" * MAX_FORM)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    async with admin.session.post(path, data=form, headers=kind) as response:
        assert response.status == 413


async def test_viewers_and_other_sites_cannot_use_it(check, viewer):
    path = f"/{check.webhook.id}/signature-check"
    assert (await viewer.get(path)).status == 403
    assert (await viewer.post(path, {"body": BODY}, csrf="")).status == 403
    assert (await check(headers=signature(), csrf="wrong")).status == 403


async def test_what_is_between_backticks_is_shown_as_code(check):
    page = await check(headers=f"X-Winnerr-Signature: {signature(BODY).removeprefix('sha256=')}")
    assert "begin with <code>sha256=</code>." in page.html
    assert "`sha256=`" not in page.text

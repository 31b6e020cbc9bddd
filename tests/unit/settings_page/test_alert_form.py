"""The form of alerts: what it saves, what it refuses, and who sees it. Without JavaScript."""

import pytest

from winnerr_webhooks.alerts.operator_webhook import settle_operator_webhook
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.alerts import OPERATOR, OPERATOR_WEBHOOK, AlertSettings
from winnerr_webhooks.domain.event import NewEvent, encode_payload
from winnerr_webhooks.domain.mail_server import Mailbox, MailServer
from winnerr_webhooks.storage.road_values import LeaseTerms

MAIL = {"smtp_url": MailServer("localhost", 25), "mail_from": Mailbox("", "hooks@example.com")}


@pytest.fixture
async def stored(site):
    """Return what the organization has stored."""

    async def read():
        return await site.page.alerts.get("org_1")

    return read


async def test_an_admin_sets_addresses_events_and_language(site, admin, stored):
    page = await admin.get("/alerts")
    assert [one["value"] for one in page.all("input", name="events") if "checked" in one] == [
        "webhook.failing",
        "webhook.recovered",
        "webhook.disabled",
    ]
    assert page.all("option", value="en", selected="")
    fields = [
        ("known", page.all("input", name="known")[0]["value"]),
        ("emails", "jane@example.com\r\njoe@example.com, ann@example.com\r\n"),
        ("events", "webhook.disabled"),
        ("language", "de"),
    ]

    page = await admin.post("/alerts", fields)

    assert "The alerts were saved." in page.text
    assert page.url.endswith("/alerts?done=saved")
    emails = ("jane@example.com", "joe@example.com", "ann@example.com")
    assert await stored() == AlertSettings(
        emails=emails, events=("webhook.disabled",), language="de"
    )
    page = await admin.get("/alerts")
    assert "\n".join(emails) in page.html
    assert page.all("option", value="de", selected="")
    page = await admin.get("/activity")
    assert "Changed the alerts" in page.text
    assert "addresses" in page.text
    assert "jane@example.com" in page.text


async def test_a_wrong_address_is_named_beside_the_field_and_nothing_is_saved(admin, stored):
    page = await admin.post("/alerts", {"emails": "jane@example.com\nnonsense", "language": "fr"})
    assert page.status == 422
    assert "'nonsense' is no mail address" in page.text
    (field,) = page.all("textarea", name="emails")
    assert field["aria-invalid"] == "true"
    assert page.all("p", id=field["aria-describedby"].split()[0])
    assert "jane@example.com\nnonsense</textarea>" in page.html
    assert page.all("option", value="fr", selected="")
    assert await stored() == AlertSettings()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"emails": "\n".join(f"a{n}@example.com" for n in range(11))}, "10 are the most"),
        ({"emails": "", "events": "webhook.fails"}, "Did you mean webhook.failing?"),
        ({"emails": "", "language": "nl"}, "There is no language"),
    ],
)
async def test_each_wrong_field_says_what_would_be_right(admin, fields, says):
    page = await admin.post("/alerts", fields)
    assert page.status == 422
    assert says in page.text


async def test_a_change_by_somebody_else_is_not_overwritten_unseen(site, admin, stored):
    page = await admin.get("/alerts")
    known = page.all("input", name="known")[0]["value"]
    theirs = AlertSettings(emails=("joe@example.com",))
    await site.storage.set_alert_settings("org_1", theirs)

    page = await admin.post("/alerts", {"known": known, "emails": "jane@example.com"})

    assert page.status == 409
    assert "were changed while this form was open" in page.text
    assert await stored() == theirs
    known = page.all("input", name="known")[0]["value"]
    await admin.post("/alerts", {"known": known, "emails": "jane@example.com"})
    assert (await stored()).emails == ("jane@example.com",)


async def test_without_an_address_no_mail_is_sent_and_a_viewer_sees_none_of_it(
    site, admin, viewer, stored
):
    await admin.post("/alerts", {"emails": "jane@example.com", "language": "en"})
    assert (await viewer.get("/alerts")).status == 403
    await admin.post("/alerts", {"emails": " \r\n ", "language": "en"})
    assert (await stored()).emails == ()


async def test_the_list_of_webhooks_leads_to_it_if_the_service_has_a_mail_server(make_site):
    site = await make_site(**MAIL)
    await site.webhook()
    admin = await site.browser().sign_in()
    page = await admin.get()
    assert page.all("a", href="/settings/webhooks/alerts")
    assert "no mail server yet" not in (await admin.get("/alerts")).text


async def test_without_a_mail_server_the_form_says_so(site, admin):
    await site.webhook()
    assert not (await admin.get()).all("a", href="/settings/webhooks/alerts")
    assert "no mail server yet" in (await admin.get("/alerts")).text


async def test_addresses_without_a_language_show_that_of_the_service(make_site):
    site = await make_site(**MAIL, default_language="fr")
    await site.storage.set_alert_settings("org_1", AlertSettings(emails=("joe@example.com",)))
    admin = await site.browser().sign_in()
    page = await admin.get("/alerts", headers={"Accept-Language": "de"})
    assert page.all("option", value="fr", selected="")


async def test_the_operator_sees_operational_events_and_their_webhook_and_cannot_change_it(site):
    await settle_operator_webhook(site.storage, Config(operational_url="http://127.0.0.1:9/ops"))
    event = NewEvent(
        id=site.page.ids.new("evt"),
        organization=OPERATOR,
        name="webhook.failing",
        body=encode_payload("webhook.failing", "2027-01-15T08:00:00Z", OPERATOR, b"{}"),
    )
    (accepted,) = await site.storage.accept([event], LeaseTerms(seconds=60))
    await site.settle(accepted.leased[0], 503, happened="exhausted")
    operator = await site.browser().sign_in(organization=OPERATOR)

    assert "OPERATIONAL_URL" in (await operator.get()).text
    assert "webhook.failing" in (await operator.get("/logs?event=webhook.failing")).text
    page = await operator.get(f"/events/{event.id}")
    assert (page.status, "webhook.failing" in page.text) == (200, True)
    form = await operator.get(f"/{OPERATOR_WEBHOOK}/edit")
    fields = [
        ("known", form.all("input", name="known")[0]["value"]),
        ("url", "https://hooks.example.com/"),
        ("events", "*"),
    ]
    page = await operator.post(f"/{OPERATOR_WEBHOOK}/edit", fields)
    assert "described by the settings OPERATIONAL_URL" in page.text
    webhook = await site.storage.webhook(OPERATOR, OPERATOR_WEBHOOK)
    assert webhook.url == "http://127.0.0.1:9/ops"

"""`…/alerts` over the API: what is stored, and how each wrong field is refused."""

import json
from pathlib import Path

import pytest

from winnerr_webhooks.api.docs import alert_docs
from winnerr_webhooks.api.docs.openapi_document import build
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.alerts import OPERATIONAL_EVENTS
from winnerr_webhooks.management.api_keys import ApiKeys

USUAL = ["webhook.failing", "webhook.recovered", "webhook.disabled"]


async def test_an_organization_that_never_set_it_gets_no_mail(api):
    assert await api.ok("GET", "~/alerts") == {"emails": [], "events": USUAL, "language": None}


async def test_what_is_set_comes_back_in_order_and_without_repeats(api):
    draft = {
        "emails": ["Jane@example.com", "jane@EXAMPLE.com", " joe@example.com "],
        "events": ["delivery.failed", "webhook.failing", "delivery.failed"],
        "language": "pt-BR",
    }
    expected = {
        "emails": ["Jane@example.com", "joe@example.com"],
        "events": ["webhook.failing", "delivery.failed"],
        "language": "pt-BR",
    }
    assert await api.ok("PUT", "~/alerts", draft) == expected
    assert await api.ok("GET", "~/alerts") == expected
    assert (await api.ok("PUT", "~/alerts", {"emails": []}))["events"] == USUAL
    (second, first) = (await api.ok("GET", "~/activity"))["items"]
    assert (first["action"], second["action"]) == ("alerts.changed", "alerts.changed")
    assert {"field": "emails", "old": [], "new": expected["emails"]} in first["changes"]


@pytest.mark.parametrize(
    ("draft", "pointer", "words"),
    [
        ({"emails": ["jane"]}, "/emails/0", "is no mail address"),
        ({"emails": ["a@example.com", "b@ex ample.com"]}, "/emails/1", "is no mail address"),
        ({"emails": ["a@example.com\r\nBcc: eve@example.com"]}, "/emails/0", "no mail address"),
        ({"emails": ["a@example.com,b@example.com"]}, "/emails/0", "no mail address"),
        ({"emails": ["Jane <jane@example.com>"]}, "/emails/0", "no mail address"),
        ({"emails": ["=?utf-8?q?a=0D=0A?=@example.com"]}, "/emails/0", "no mail address"),
        ({"emails": ["jäne@example.com"]}, "/emails/0", "in ASCII"),
        ({"emails": [f"{'a' * 65}@example.com"]}, "/emails/0", "no mail address"),
        ({"emails": ["a@" + "b." * 130 + "com"]}, "/emails/0", "no mail address"),
        ({"emails": [f"a{n}@example.com" for n in range(11)]}, "/emails", "10 are the most"),
        ({"emails": [], "events": ["webhook.fails"]}, "/events/0", "mean webhook.failing?"),
        ({"emails": [], "events": ["*"]}, "/events/0", "There are webhook.failing,"),
        ({"emails": [], "language": "nl"}, "/language", "there are en, de"),
        ({"emails": "a@example.com"}, "/emails", "This must be a list"),
        ({"events": []}, "/emails", "is missing"),
        ({"emails": [], "mails": []}, "/mails", "did you mean `emails`?"),
    ],
)
async def test_each_wrong_field_is_refused_with_its_place_and_a_remedy(api, draft, pointer, words):
    status, problem = await api.call("PUT", "~/alerts", draft)
    assert status == 422
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert words in error["message"]
    assert (await api.ok("GET", "~/alerts"))["emails"] == []


def test_the_sample_of_the_documentation_is_the_one_of_the_openapi_document():
    page = Path(__file__).parents[3] / "docs/how-to/be-told-of-failing-webhooks.md"
    section = page.read_text("utf-8").partition("## The operator")[2]
    sample = json.loads(section.partition("```json")[2].partition("```")[0])
    assert sample == alert_docs.example("webhook.failing")


@pytest.mark.parametrize("name", OPERATIONAL_EVENTS)
def test_the_openapi_document_has_every_operational_event(name):
    described = build(Config().branding)["webhooks"][name]["post"]
    content = described["requestBody"]["content"]["application/json"]
    schema, example = content["schema"]["properties"], content["example"]
    assert schema["event"] == {"const": name}
    assert example.keys() == schema.keys()
    assert example["data"].keys() == schema["data"]["properties"].keys()


async def test_a_key_of_another_organization_sees_nothing(api):
    key = await ApiKeys(api.storage, api.services.clock, api.services.ids).create("x", "org_2")
    status, _ = await api.call("GET", "~/alerts", key=key.secret)
    assert status == 404

"""The checks of single fields."""

import pytest

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.field_checks import (
    FieldChecks,
    check_description,
    check_event,
    check_key_name,
    check_organization,
)


@pytest.mark.parametrize("text", ["a", "org_abc123", "A-Z_9", "o" * 64])
def test_a_valid_organization_id_is_accepted(text):
    assert check_organization(text) == text


@pytest.mark.parametrize("text", ["", "o" * 65, "org 1", "org_1\n", "ö", "a/b", "a\0"])
def test_an_invalid_organization_id_is_refused(text):
    with pytest.raises(Invalid) as refusal:
        check_organization(text)
    assert refusal.value.errors[0].pointer == "/organizationId"


@pytest.mark.parametrize(
    ("text", "kept"),
    [(None, None), ("", None), ("  ", None), (" CRM ", "CRM"), ("é☃👍" * 100, "é☃👍" * 100)],
)
def test_a_description_is_stripped_and_an_empty_one_becomes_none(text, kept):
    assert check_description(text) == kept


@pytest.mark.parametrize("text", ["d" * 501, "a\nb", "a\0b", "a\x1b[0m", "\ud800", "a\u202eb"])
def test_a_description_is_one_line_of_visible_characters(text):
    with pytest.raises(Invalid) as refusal:
        check_description(text)
    assert refusal.value.errors[0].pointer == "/description"


def test_an_unknown_event_is_refused_with_the_nearest():
    assert check_event(CATALOG, "contact.created") == "contact.created"
    with pytest.raises(Invalid, match=r"contact\.created"):
        check_event(CATALOG, "contact.creatd")
    with pytest.raises(Invalid):
        check_event(CATALOG, "*")


@pytest.mark.parametrize("name", ["", " ", "n" * 101, "a\nb"])
def test_a_key_needs_a_printable_name(name):
    with pytest.raises(Invalid):
        check_key_name(name)


async def test_all_errors_are_raised_together_in_order():
    async def looked_up():
        raise Invalid.field("/url", "No.")

    checks = FieldChecks()
    assert await checks.wait(looked_up(), "") == ""
    assert checks.run(check_description, "a\nb", None) is None
    assert checks.run(check_description, "fine", None) == "fine"
    checks.refuse("/status", "Nor that.")
    with pytest.raises(Invalid) as refusal:
        checks.done()
    assert [error.pointer for error in refusal.value.errors] == ["/url", "/description", "/status"]


def test_checks_without_errors_raise_nothing():
    FieldChecks().done()

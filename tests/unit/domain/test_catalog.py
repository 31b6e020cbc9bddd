"""The catalogue: its event types, its suggestions, and the lists of events it accepts."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.event_pattern import ALL_EVENTS

PROMISED = {
    "Contacts": ["contact.created", "contact.updated", "contact.deleted"],
    "Deals": ["deal.created", "deal.stage_changed", "deal.closed_won", "deal.closed_lost"],
    "Calls": ["call.completed", "call.missed", "call.recording_ready", "call.transcription_ready"],
    "Tasks": ["task.created", "task.completed", "task.overdue"],
    "Emails": ["email.received", "email.opened", "email.bounced"],
    "Workflows": ["workflow.triggered", "workflow.step_completed", "workflow.failed"],
}


def refusal(events: list[str]) -> tuple:
    with pytest.raises(Invalid) as caught:
        CATALOG.normalise_events(events)
    return caught.value.errors


def test_it_holds_the_promised_events_in_their_order():
    held = {name: [one.name for one in types] for name, types in CATALOG.categories}
    assert held == PROMISED
    assert list(held) == list(PROMISED)
    assert list(CATALOG.names) == [name for names in PROMISED.values() for name in names]


@pytest.mark.parametrize("name", CATALOG.names)
def test_each_event_has_a_description_and_a_compact_example_with_an_id(name):
    one = CATALOG.get(name)
    assert one is not None
    assert one.name == name
    assert one.description.endswith(".")
    assert json.loads(one.example)["id"]
    assert msgspec.json.format(one.example, indent=-1) == one.example


def test_the_example_of_a_new_contact_is_the_promised_payload():
    assert CATALOG.example_body("contact.created", "org_abc123", "2025-01-15T14:23:00Z") == (
        b'{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z",'
        b'"organizationId":"org_abc123",'
        b'"data":{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com"}}'
    )


def test_an_unknown_name_has_no_event_type_and_no_example():
    assert CATALOG.get("contact.merged") is None
    with pytest.raises(KeyError):
        CATALOG.example_body("contact.merged", "org_1", "2025-01-15T14:23:00Z")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("contact.creatd", ["contact.created"]),
        ("contacts.created", ["contact.created"]),
        ("ContactCreated", ["contact.created"]),
        ("DEAL.CLOSED_WON", ["deal.closed_won"]),
        ("deal.closed", ["deal.closed_won", "deal.closed_lost"]),
        ("created", ["contact.created", "deal.created", "task.created"]),
        ("step_completed", ["workflow.step_completed"]),
        ("deals", ["deal.created", "deal.stage_changed", "deal.closed_won"]),
        ("", []),
        ("*", []),
        ("zzzz", []),
    ],
)
def test_the_most_similar_names_are_suggested(word, meant):
    assert CATALOG.nearest(word) == meant


def test_no_more_names_are_suggested_than_asked_for():
    assert CATALOG.nearest("created", 1) == ["contact.created"]
    assert CATALOG.nearest("created", 0) == []


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        (["contact.created"], ("contact.created",)),
        (["deal.created", "contact.created"], ("contact.created", "deal.created")),
        (["task.created", "task.created"], ("task.created",)),
        (["*"], ("*",)),
        (["*", "*"], ("*",)),
        (["contact.*"], ("contact.*",)),
        (["deal.created", "deal.*", "contact.*"], ("contact.*", "deal.*", "deal.created")),
        (list(CATALOG.names), CATALOG.names),
    ],
)
def test_events_are_stored_once_and_in_catalogue_order(events, kept):
    assert CATALOG.normalise_events(events) == kept


def test_a_webhook_needs_at_least_one_event():
    (error,) = refusal([])
    assert error.pointer == "/events"


def test_the_wildcard_cannot_be_combined_with_names():
    (error,) = refusal(["contact.created", "*"])
    assert error.pointer == "/events"
    assert "alone" in error.message


def test_each_unknown_event_is_refused_at_its_place_with_the_nearest():
    first, second = refusal(["contact.creatd", "task.created", "zzzz"])
    assert first.pointer == "/events/0"
    assert "did you mean contact.created?" in first.message
    assert second.pointer == "/events/2"
    assert "GET /api/v1/event-types" in second.message


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("contacts.*", "No event begins with 'contacts.'; did you mean contact.*?"),
        (
            "contact*",
            "'contact*' is no event, and no pattern that ends with '.*'; did you mean con",
        ),
        ("*.created", "is no event, and no pattern that ends with '.*'"),
        ("zzzz.*", "No event begins with 'zzzz.'; GET /api/v1/event-types lists all."),
        ("Contact.*", "did you mean contact.*?"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest(pattern, says):
    (error,) = refusal([pattern])
    assert error.pointer == "/events/0"
    assert says in error.message


def test_the_event_types_that_patterns_match_are_in_catalogue_order():
    types = CATALOG.chosen(["task.*", "contact.deleted", "contact.created", "gone.event"])
    assert [one.name for one in types] == [
        "contact.created",
        "contact.deleted",
        "task.created",
        "task.completed",
        "task.overdue",
    ]
    assert [one.name for one in CATALOG.chosen(["*"])] == list(CATALOG.names)


def test_a_flood_of_long_unknown_events_gets_a_short_answer():
    errors = refusal(["x" * 100_000 + str(number) for number in range(500)])
    assert len(errors) == 20
    assert all(len(error.message) < 200 for error in errors)


@given(
    st.lists(
        st.text() | st.sampled_from((*CATALOG.names, ALL_EVENTS, "contact.*", "deal.*")), max_size=8
    )
)
def test_any_list_of_events_is_normalised_or_refused_with_pointers(events):
    try:
        kept = CATALOG.normalise_events(events)
    except Invalid:
        for pointer, message in refusal(events):
            assert pointer.startswith("/events")
            assert message.isprintable()
    else:
        assert set(kept) == set(events)
        assert CATALOG.normalise_events(list(kept)) == kept


def test_another_product_brings_its_own_types():
    own = EventType(name="ping", category="Other", description="A ping.", example=b"{}")
    catalog = Catalog((own,))
    assert catalog.names == ("ping",)
    assert catalog.categories == (("Other", (own,)),)
    assert catalog.nearest("pings") == ["ping"]
    assert Catalog(()).nearest("ping") == []
    with pytest.raises(ValueError, match="same name"):
        Catalog((own, own))


def test_a_catalogue_is_exchanged_in_place_and_remembers_what_left():
    one, two, three = (
        EventType(name=name, category="x", description="x", example=b"{}")
        for name in ("a.one", "a.two", "b.three")
    )
    catalog = Catalog((one, two))
    assert catalog.replace(Catalog((two, three))) == (["b.three"], ["a.one"])
    assert catalog.names == ("a.two", "b.three")
    assert catalog.get("a.one") is None
    assert catalog.no_event("a.one").startswith("The event 'a.one' was removed from the catalogue")
    assert catalog.no_event("a.four").startswith("There is no event 'a.four'.")
    assert (catalog.may_be_logged("a.one"), catalog.may_be_logged("a.four")) == (True, False)
    assert catalog.without_match(("a.one", "a.*", "b.three", "c.*")) == ("a.one", "c.*")
    catalog.replace(Catalog((one,)))
    assert catalog.no_event("a.one").startswith("There is no event")


def test_a_webhook_keeps_subscriptions_whose_event_types_left():
    kept = ("gone.event", "gone.*", "contact.created")
    events = ["gone.*", "deal.created", "gone.event"]
    assert CATALOG.normalise_events(events, kept) == ("deal.created", "gone.*", "gone.event")
    with pytest.raises(Invalid):
        CATALOG.normalise_events(["gone.other"], kept)


def test_data_is_checked_only_if_the_rule_says_so():
    one = EventType(name="a", category="x", description="x", example=b"{}")
    found = (FieldError("/data/n", "This is wrong."),)
    for rule, errors in (("off", ()), ("warn", found), ("reject", found)):
        catalog = Catalog((one,), {"a": lambda _: found}, data_rule=rule)
        assert catalog.data_errors("a", b"{}") == errors
        assert catalog.data_errors("b", b"{}") == ()

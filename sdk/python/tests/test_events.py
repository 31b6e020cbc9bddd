"""Typed events: the catalogue's, unknown ones, and data that are not as expected."""

import json

import pytest

from winnerr_webhooks_sdk import EventData, UnknownEvent, Webhook
from winnerr_webhooks_sdk.events import (
    EVENT_CLASSES,
    CallCompleted,
    ContactDeletedData,
    ContactUpdated,
    WorkflowFailed,
)
from winnerr_webhooks_sdk.testing import sign

SECRET = "a secret for tests"


def received(event_type, data):
    payload = {
        "event": event_type,
        "timestamp": "2025-01-15T14:23:00Z",
        "organizationId": "org_1",
        "data": data,
    }
    return Webhook(SECRET).verify(*sign(payload, SECRET))


def test_there_are_twenty_event_types():
    assert len(EVENT_CLASSES) == 20


@pytest.mark.parametrize("event_type", EVENT_CLASSES)
def test_every_field_of_an_example_has_an_attribute(event_type):
    event = Webhook(SECRET).verify(*sign(event_type, SECRET))
    assert type(event) is EVENT_CLASSES[event_type]
    assert type(event).event_type == event.type == event_type
    attributes = dict(vars(event.data))
    raw = attributes.pop("raw")
    assert raw == json.loads(event.example)
    assert len(attributes) == len(raw)
    assert None not in attributes.values()


def test_names_are_pythons_and_nested_objects_have_attributes():
    call = received("call.completed", json.loads(CallCompleted.example))
    assert (call.data.from_, call.data.duration_seconds) == ("+15550100", 314)
    failed = received("workflow.failed", json.loads(WorkflowFailed.example))
    assert (failed.data.step.number, failed.data.step.name) == (2, "Send welcome email")
    updated = received("contact.updated", json.loads(ContactUpdated.example))
    assert updated.data.changes["email"].to == "jane.smith@example.com"


def test_an_unknown_type_is_an_event_with_its_data_as_they_are():
    event = received("invoice.paid", {"total": 7})
    assert isinstance(event, UnknownEvent)
    assert event.type == "invoice.paid"
    assert event.data["total"] == 7


def test_a_field_that_is_not_there_is_none_and_an_unknown_one_is_reachable():
    event = received("contact.created", {"nickname": "Jane"})
    assert event.data.name is None
    assert event.data.raw["nickname"] == "Jane"


@pytest.mark.parametrize("step", ["second", None, [1], 7])
def test_a_value_of_another_kind_is_handed_on_as_it_is(step):
    event = received("workflow.failed", {"step": step, "id": 7})
    assert event.data.step == step
    assert event.data.id == 7
    changes = received("contact.updated", {"changes": {"name": step}}).data.changes
    assert changes == {"name": step}


def test_data_can_be_made_in_a_test():
    assert ContactDeletedData(id="c", deleted_by="u").deleted_by == "u"
    assert isinstance(ContactDeletedData.from_json({"deletedBy": "u"}), EventData)

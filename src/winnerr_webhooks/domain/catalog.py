"""The catalogue: all event types of the product, with an example of each."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec

from winnerr_webhooks.domain.errors import FieldError, Invalid
from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.event_pattern import (
    ALL_EVENTS,
    is_prefix_pattern,
    patterns_matching,
)

_MIN_SIMILARITY: Final = 0.6
"""The lowest `difflib` ratio (0 to 1) at which a name is suggested."""
_SIMILARITY_RANGE: Final = 0.1
"""A suggestion is at most this much less similar than the best one."""
_MAX_NAME_SHOWN: Final = 64
"""How many characters of an unknown name are compared and shown."""
_MAX_ERRORS: Final = 20
"""How many unknown names one refusal lists."""


class EventType(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A kind of event that webhooks subscribe to."""

    name: str
    category: str
    description: str
    """One sentence that says when the event happens."""
    example: bytes
    """A realistic `data` object as compact JSON."""


class Catalog:
    """The event types of one product, in display order.

    Raises `ValueError` if two types have the same name.
    """

    def __init__(self, types: tuple[EventType, ...]) -> None:
        self._by_name = {one.name: one for one in types}
        if len(self._by_name) != len(types):
            raise ValueError("two event types of the catalogue have the same name")
        grouped: dict[str, list[EventType]] = {}
        for one in types:
            grouped.setdefault(one.category, []).append(one)
        self.names: tuple[str, ...] = tuple(self._by_name)
        patterns = dict.fromkeys(one for name in self.names for one in patterns_matching(name))
        self._places = {pattern: place for place, pattern in enumerate(patterns)}
        self.categories: tuple[tuple[str, tuple[EventType, ...]], ...] = tuple(
            (category, tuple(members)) for category, members in grouped.items()
        )

    def get(self, name: str) -> EventType | None:
        """Return the event type with this name, or None."""
        return self._by_name.get(name)

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """Return up to `n` known names similar to `name`, best match first.

        Either side of the dot is enough: `created` matches every `….created`, and `deals`
        matches every `deal.…`.
        """
        return _nearest(name, self.names, n)

    def chosen(self, events: Iterable[str]) -> tuple[EventType, ...]:
        """Return the event types that any of these patterns matches, in catalogue order."""
        wanted = set(events)
        return tuple(
            one
            for name, one in self._by_name.items()
            if not wanted.isdisjoint(patterns_matching(name))
        )

    def example_body(self, name: str, organization: str, timestamp: str) -> bytes:
        """Return a complete sample payload. Raises `KeyError` for an unknown name."""
        return encode_payload(name, timestamp, organization, self._by_name[name].example)

    def normalise_events(self, events: list[str]) -> tuple[str, ...]:
        """Return a webhook's `events` without duplicates, in catalogue order, or `("*",)`.

        A pattern comes before the first name that it matches. Raises `Invalid` at `/events` if the
        list is empty or has `*` beside others, and at `/events/<index>` for what is no event type
        and no pattern that matches one.
        """
        wanted = dict.fromkeys(events)
        if not wanted:
            raise Invalid.field("/events", "Choose at least one event, or all events.")
        if ALL_EVENTS in wanted:
            if len(wanted) > 1:
                raise Invalid.field(
                    "/events", '"*" stands for every event; send it alone or leave it out.'
                )
            return (ALL_EVENTS,)
        if wanted.keys() <= self._places.keys():
            return tuple(sorted(wanted, key=self._places.__getitem__))
        unknown = [at for at, name in enumerate(events) if name not in self._places]
        errors = tuple(
            FieldError(f"/events/{at}", self._unknown(events[at])) for at in unknown[:_MAX_ERRORS]
        )
        raise Invalid(errors[0].message, errors)

    def _unknown(self, text: str) -> str:
        shown = text[:_MAX_NAME_SHOWN]
        near = self.nearest(text)
        if ALL_EVENTS not in text:
            mistake = f"There is no event {shown!r}"
        else:
            patterns = [one for one in self._places if one.endswith(".*")]
            near = _nearest(text, patterns, 3) or near
            mistake = f"{shown!r} is no event, and no pattern that ends with '.*'"
            if is_prefix_pattern(text):
                mistake = f"No event begins with {shown.removesuffix('*')!r}"
        advice = (
            f"did you mean {' or '.join(near)}?" if near else "GET /api/v1/event-types lists all."
        )
        return f"{mistake}; {advice}"


def _nearest(text: str, known: Sequence[str], n: int) -> list[str]:
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(text[:_MAX_NAME_SHOWN].lower())
    scored = [(_similarity(matcher, one), one) for one in known]
    best = max((score for score, _ in scored), default=0.0)
    enough = max(_MIN_SIMILARITY, best - _SIMILARITY_RANGE)
    near = [pair for pair in scored if pair[0] >= enough]
    near.sort(key=lambda pair: -pair[0])  # stable: ties stay in catalogue order
    return [one for _, one in near[:n]]


def _similarity(matcher: SequenceMatcher[str], known: str) -> float:
    """Return how similar (0 to 1) a known name, or one side of its dot, is to the wrong one."""
    best = 0.0
    for part in (known, *known.split(".", 1)):
        matcher.set_seq1(part)
        best = max(best, matcher.ratio())
    return best


CATALOG: Final = Catalog(
    (
        EventType(
            name="contact.created",
            category="Contacts",
            description="A contact was added.",
            example=b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com"}',
        ),
        EventType(
            name="contact.updated",
            category="Contacts",
            description="One or more fields of a contact changed.",
            example=b'{"id":"contact_xyz","name":"Jane Smith","email":"jane.smith@example.com",'
            b'"changes":{"email":{"from":"jane@example.com","to":"jane.smith@example.com"}}}',
        ),
        EventType(
            name="contact.deleted",
            category="Contacts",
            description="A contact was deleted.",
            example=b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com",'
            b'"deletedBy":"user_7f3k"}',
        ),
        EventType(
            name="deal.created",
            category="Deals",
            description="A deal was added to a pipeline.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan","stage":"qualified",'
            b'"pipelineId":"pipeline_sales","amount":12000.00,"currency":"USD",'
            b'"contactId":"contact_xyz","ownerId":"user_7f3k"}',
        ),
        EventType(
            name="deal.stage_changed",
            category="Deals",
            description="A deal moved to another stage of its pipeline.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan",'
            b'"previousStage":"qualified","stage":"proposal_sent",'
            b'"pipelineId":"pipeline_sales","amount":12000.00,"currency":"USD",'
            b'"ownerId":"user_7f3k"}',
        ),
        EventType(
            name="deal.closed_won",
            category="Deals",
            description="A deal was won.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan","amount":11500.00,'
            b'"currency":"USD","closedAt":"2025-01-15T14:22:58Z","contactId":"contact_xyz",'
            b'"ownerId":"user_7f3k"}',
        ),
        EventType(
            name="deal.closed_lost",
            category="Deals",
            description="A deal was lost.",
            example=b'{"id":"deal_4821","name":"Northwind annual plan","amount":12000.00,'
            b'"currency":"USD","lostReason":"budget","closedAt":"2025-01-15T14:22:58Z",'
            b'"contactId":"contact_xyz","ownerId":"user_7f3k"}',
        ),
        EventType(
            name="call.completed",
            category="Calls",
            description="A call ended after both sides had spoken.",
            example=b'{"id":"call_9b2e","direction":"outbound","from":"+15550100",'
            b'"to":"+15550123","durationSeconds":314,"contactId":"contact_xyz",'
            b'"userId":"user_7f3k","startedAt":"2025-01-15T14:17:41Z"}',
        ),
        EventType(
            name="call.missed",
            category="Calls",
            description="An incoming call was not answered.",
            example=b'{"id":"call_9b2f","direction":"inbound","from":"+15550123",'
            b'"to":"+15550100","ringSeconds":28,"voicemail":true,"contactId":"contact_xyz"}',
        ),
        EventType(
            name="call.recording_ready",
            category="Calls",
            description="The recording of a call can be fetched.",
            example=b'{"id":"call_9b2e","recordingId":"recording_51cd",'
            b'"recordingUrl":"https://app.example.com/recordings/recording_51cd",'
            b'"durationSeconds":314,"contactId":"contact_xyz"}',
        ),
        EventType(
            name="call.transcription_ready",
            category="Calls",
            description="The transcript of a call can be read.",
            example=b'{"id":"call_9b2e","transcriptionId":"transcription_77aa","language":"en",'
            b'"text":"Hello Jane, thanks for taking the time. Shall we go through the offer?",'
            b'"contactId":"contact_xyz"}',
        ),
        EventType(
            name="task.created",
            category="Tasks",
            description="A task was added.",
            example=b'{"id":"task_310","title":"Send the revised offer","priority":"high",'
            b'"dueAt":"2025-01-17T16:00:00Z","assigneeId":"user_7f3k","dealId":"deal_4821"}',
        ),
        EventType(
            name="task.completed",
            category="Tasks",
            description="A task was ticked off.",
            example=b'{"id":"task_310","title":"Send the revised offer",'
            b'"completedAt":"2025-01-15T14:22:55Z","completedBy":"user_7f3k",'
            b'"dealId":"deal_4821"}',
        ),
        EventType(
            name="task.overdue",
            category="Tasks",
            description="A task was still open when it fell due.",
            example=b'{"id":"task_310","title":"Send the revised offer","priority":"high",'
            b'"dueAt":"2025-01-15T14:00:00Z","assigneeId":"user_7f3k","dealId":"deal_4821"}',
        ),
        EventType(
            name="email.received",
            category="Emails",
            description="A contact's email came in.",
            example=b'{"id":"email_c04d","from":"jane@example.com","to":["sales@example.org"],'
            b'"subject":"Re: Your offer","snippet":"Looks good, one question about billing",'
            b'"contactId":"contact_xyz","threadId":"thread_88"}',
        ),
        EventType(
            name="email.opened",
            category="Emails",
            description="A contact opened an email you sent.",
            example=b'{"id":"email_c04c","to":"jane@example.com","subject":"Your offer",'
            b'"openCount":1,"contactId":"contact_xyz","threadId":"thread_88"}',
        ),
        EventType(
            name="email.bounced",
            category="Emails",
            description="An email you sent could not be delivered.",
            example=b'{"id":"email_c04c","to":"jane@example.com","subject":"Your offer",'
            b'"bounceType":"hard","reason":"550 5.1.1 mailbox does not exist",'
            b'"contactId":"contact_xyz"}',
        ),
        EventType(
            name="workflow.triggered",
            category="Workflows",
            description="A workflow began to run.",
            example=b'{"id":"workflow_welcome","name":"Welcome new contacts",'
            b'"runId":"run_20f1","trigger":"contact.created","contactId":"contact_xyz"}',
        ),
        EventType(
            name="workflow.step_completed",
            category="Workflows",
            description="One step of a running workflow was done.",
            example=b'{"id":"workflow_welcome","name":"Welcome new contacts",'
            b'"runId":"run_20f1","step":{"number":2,"name":"Send welcome email"},'
            b'"contactId":"contact_xyz"}',
        ),
        EventType(
            name="workflow.failed",
            category="Workflows",
            description="A workflow stopped at a step that went wrong.",
            example=b'{"id":"workflow_welcome","name":"Welcome new contacts",'
            b'"runId":"run_20f1","step":{"number":2,"name":"Send welcome email"},'
            b'"error":"The contact has no email address.","contactId":"contact_xyz"}',
        ),
    )
)
"""Winnerr's catalogue: 20 event types in 6 categories."""

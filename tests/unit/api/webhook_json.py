"""A webhook in the API: the fields that are shown, and a draft of one."""

FIELDS = {
    "id", "organizationId", "url", "description", "events", "status", "statusReason",
    "hasSecret", "createdAt", "updatedAt", "name", "timeout", "retrySchedule",
    "removedEvents",
    "headers", "auth", "filter", "rateLimit", "ordered", "signing",
}  # fmt: skip
DRAFT = {"url": "http://127.0.0.1:9/hook", "events": ["deal.closed_won", "contact.created"]}

"""Events as tests write them, and what reading one gives."""

import json

import pytest

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.domain.submission import read, read_batch, split_batch

NOW = 1_736_951_000_123


def take(raw, key=None):
    raw = raw.encode() if isinstance(raw, str) else raw
    return read(raw, catalog=CATALOG, now_ms=NOW, idempotency_key=key)


def take_batch(raw, content_type="application/json"):
    raw = raw.encode() if isinstance(raw, str) else raw
    return list(read_batch(split_batch(raw, content_type), catalog=CATALOG, now_ms=NOW))


def event(data="{}", **fields):
    """Return an event as JSON; `data` is JSON, the other fields are values."""
    rest = {"event": "contact.created", "organizationId": "org_1"} | fields
    parts = [f"{json.dumps(k)}:{json.dumps(v)}" for k, v in rest.items() if v is not ...]
    return "{" + ",".join([*parts, f'"data":{data}']) + "}"


def refusal(raw, key=None):
    """Return pointer -> message of every error."""
    with pytest.raises(Invalid) as caught:
        take(raw, key)
    return dict(caught.value.errors)


def nested(levels):
    return '{"a":' * levels + "1" + "}" * levels


def filled(size):
    """Return an event of exactly this many bytes."""
    return event(json.dumps({"a": "x" * (size - len(event('{"a": ""}')))}))

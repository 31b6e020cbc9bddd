"""How webhooks stand now: read for the settings page, a few index looks each."""

import msgspec

from winnerr_webhooks.storage.reach import run_start
from winnerr_webhooks.storage.sqlite.connection import Connection
from winnerr_webhooks.storage.values import COUNTED, LastAttempt, WebhookState

_Row = tuple[str, int | None, int, str | None, int]
_STATES = msgspec.json.Decoder(list[_Row])
_LAST = msgspec.json.Decoder(tuple[str, str, int | None, str, int])


def states(db: Connection, organization: str) -> list[WebhookState]:
    """Every webhook of an organization; see `Storage.webhook_states`."""
    values = {"organization": organization, "most": COUNTED}
    return [_state(db, row) for row in db.json("webhook_states", values, _STATES)]


def cancelled(db: Connection, organization: str, webhook_id: str) -> int:
    """Cancelled deliveries of a webhook; see `Storage.cancelled`."""
    values = {"organization": organization, "webhook": webhook_id, "most": COUNTED}
    written, coming = db.row("count_cancelled", values)
    return min(COUNTED, int(written + coming))


def _state(db: Connection, row: _Row) -> WebhookState:
    webhook_id, failing_since, failures, last, waiting = row
    first = None
    if failing_since is not None:
        start = run_start(failing_since)
        values = {"webhook": webhook_id, "floor": start.floor, "ceiling": start.before}
        first = db.row("first_failure", values)
    return WebhookState(
        webhook_id=webhook_id,
        last=None if last is None else _last(last),
        failing_since=failing_since,
        failures=failures,
        first_failure=first[0] if first else None,
        waiting=waiting,
    )


def _last(text: str) -> LastAttempt:
    id_, outcome, status, error_message, started_at = _LAST.decode(text)
    return LastAttempt(
        id=id_, outcome=outcome, status=status, error_message=error_message, started_at=started_at
    )

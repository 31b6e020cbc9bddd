-- Reading the log: the words and the look-ups that both databases share.

-- name: stopped
-- Whether the webhook stopped being active after the delivery was asked for.
(webhook.status = 'deleted' OR pending.epoch NOT IN (webhook.epoch, -1))

-- name: delivery_status
CASE
    WHEN pending.delivery_id IS NULL OR pending.finished THEN coalesce(delivery.status, 'failed')
    WHEN {stopped} THEN 'cancelled'
    ELSE 'pending'
END

-- name: next_attempt_at
-- With a rate limit: its turn, if no other delivery asks for one before it. Those before it are counted
-- up to 1,000.
CASE
    WHEN {stopped} OR pending.due_at = {parked} THEN NULL
    WHEN webhook.rate_limit IS NULL OR pending.lease_until IS NOT NULL THEN pending.due_at
    ELSE coalesce(
        (SELECT {later}(pending.due_at, CAST(
            lane_turn.next_turn_at + 1000 / webhook.rate_limit * (
                SELECT count(*) FROM (
                    SELECT 1 FROM pending AS earlier
                    WHERE earlier.webhook_id = pending.webhook_id
                        AND earlier.epoch = pending.epoch AND earlier.lease_until IS NULL
                        AND earlier.due_at < pending.due_at
                    LIMIT 1000) AS counted)
            AS bigint))
        FROM lane_turn WHERE lane_turn.webhook_id = pending.webhook_id),
        pending.due_at)
END

-- name: waits_for
-- The delivery of its order that is to end first.
CASE WHEN pending.order_key IS NOT NULL AND NOT pending.finished AND NOT {stopped} THEN (
    SELECT first.delivery_id FROM pending AS first
    WHERE first.webhook_id = pending.webhook_id AND first.order_key = pending.order_key
        AND NOT first.finished AND first.epoch = pending.epoch
    ORDER BY first.order_number, first.delivery_id
    LIMIT 1)
END

-- name: event_time
SELECT accepted_at FROM event WHERE id = :id AND organization = :organization

-- name: get_event
SELECT id, organization, name, client_id, accepted_at, body FROM event
WHERE id = :id AND organization = :organization

-- name: recent_events
-- Of the newest events of all organizations. Only those that are asked for have their bodies read.
SELECT event.id, event.body
FROM (
    SELECT id, organization, name FROM event WHERE id < :newest ORDER BY id DESC LIMIT :examined
) AS newest
{ordered_join} event ON event.id = newest.id
WHERE newest.organization = :organization AND (NOT :named OR newest.name {any:names})
ORDER BY newest.id DESC LIMIT :last

-- name: probe
UPDATE meta SET value = :now WHERE name = 'probed_at'

-- name: attempt_columns_of_page
attempt.id, attempt.organization, attempt.delivery_id, {attempt_event}, attempt.webhook_id,
attempt.event, attempt.attempt, attempt.trigger, attempt.outcome, attempt.started_at,
attempt.duration_ms, attempt.dns_ms, attempt.connect_ms, attempt.tls_ms, attempt.first_byte_ms,
attempt.reconnected, attempt.url, {bytes}(attempt.request_head),
{bytes}(coalesce(event.body, '')), attempt.status, attempt.reason,
{bytes}(CASE
    WHEN CAST(:whole AS boolean) THEN attempt.response_head
    ELSE substr(attempt.response_head, 1, 8192)
END),
{bytes}(CASE
    WHEN CAST(:whole AS boolean) THEN attempt.response_body
    WHEN attempt.outcome = 'failed' THEN substr(attempt.response_body, 1, 1024)
    ELSE ''
END),
attempt.truncated, attempt.error_kind, attempt.error_message, attempt.error_code,
attempt.error_phase, {delivery_status}, {next_attempt_at}

-- name: attempt_matches
(CAST(:webhook AS text) IS NULL OR attempt.webhook_id = :webhook)
AND (CAST(:event AS text) IS NULL OR attempt.event = :event
    OR {has_prefix:attempt})
AND (CAST(:outcome AS text) IS NULL OR attempt.outcome = :outcome)
AND (CAST(:trigger AS text) IS NULL OR attempt.trigger = :trigger)
AND (CAST(:slower_than AS float8) IS NULL OR attempt.duration_ms >= :slower_than)
AND (CAST(:status_from AS integer) IS NULL
    OR attempt.status BETWEEN :status_from AND CAST(:status_to AS integer))
AND (CAST(:since AS bigint) IS NULL OR attempt.started_at >= :since)
AND (CAST(:until AS bigint) IS NULL OR attempt.started_at < :until)
AND (CAST(:id AS text) IS NULL
    OR :id IN (attempt.id, attempt.delivery_id, {attempt_event}, attempt.webhook_id))

-- name: delivery_matches
(CAST(:webhook AS text) IS NULL OR delivery.webhook_id = :webhook)
AND (CAST(:status AS text) IS NULL OR delivery.status = :status) AND {asked:delivery}

-- name: key_of_attempt
SELECT id, {attempt_key} FROM attempt WHERE organization = :organization AND id = :id

-- name: next_of_walk
AND id >= :floor AND id < :before ORDER BY id DESC LIMIT :limit

-- name: walk_organization
-- The next attempts of a walk, newest first. `key` is an organization.
{as_rows} SELECT id, {attempt_key} FROM attempt {by:attempt_organization}
WHERE organization = :key {next_of_walk} {end_rows}

-- name: walk_failed
{as_rows} SELECT id, {attempt_key} FROM attempt {by:attempt_failed}
WHERE organization = :key AND outcome = 'failed' {next_of_walk} {end_rows}

-- name: walk_webhook
-- `key` is a webhook. The organization is left out, or PostgreSQL might think of its index instead.
{as_rows} SELECT id, {attempt_key} FROM attempt {by:attempt_webhook}
WHERE webhook_id = :key {next_of_walk} {end_rows}

-- name: attempt_columns
id, organization, webhook_id, delivery_id, event, attempt, trigger, outcome, started_at,
duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, reconnected, status, reason, error_kind,
error_message, error_code, error_phase, truncated, url, request_head, response_head, response_body

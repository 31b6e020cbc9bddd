-- What is read from SQLite to be copied to PostgreSQL: a statement for each table there, with its
-- columns named as they are there.

-- name: api_key
SELECT id, name, organization, hash, created_at, revoked_at FROM api_key

-- name: webhook
SELECT id, organization, number, number AS suffix, url, description, events, status, status_reason,
    secret, next_secret, overlap_ends_at, created_at, updated_at, version, epoch, change_mark,
    listener, listener_seen_at, name, timeout, retry_schedule,
    credentials, header_names, auth_type, filter, rate_limit, order_by, signing
FROM webhook

-- name: lane_turn
SELECT webhook_id, next_turn_at FROM lane_turn

-- name: run
SELECT id AS webhook_id, failing_since, failures FROM webhook WHERE failing_since IS NOT NULL

-- name: subscription
SELECT organization, event, webhook_id FROM subscription

-- name: idempotency
SELECT organization, client_id, fingerprint, event_id, deliveries, at FROM idempotency

-- name: pending
-- The leases belonged to a process that is gone, and do not count.
SELECT webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at,
    NULL AS lease_until, lease, max(idle_leases - (lease_until IS NOT NULL), 0) AS idle_leases,
    attempts, retries_used, retry_at, replay, finished, job, order_key, order_number
FROM pending

-- name: lane
-- When each webhook's work is due first: its lane, once all of the work is free.
SELECT pending.webhook_id, min(pending.due_at) AS next_due_at
FROM pending JOIN webhook ON webhook.id = pending.webhook_id
WHERE webhook.status <> 'deleted' AND pending.epoch IN (webhook.epoch, -1)
GROUP BY pending.webhook_id

-- name: health
SELECT webhook_id, starts_at, duration_class, '' AS node, succeeded, failed, exhausted FROM health

-- name: job
SELECT id, kind, webhook_id, requested_at, epoch, event, statuses, accepted_since, accepted_until,
    cursor, last_run, report, reason
FROM job

-- name: job_report
SELECT id, organization, webhook_id, kind, requested_at, accepted_since, accepted_until, planned,
    collected_at, cancelled_at
FROM job_report

-- name: job_count
SELECT report, outcome, node, deliveries FROM job_count

-- name: rehearsal
SELECT id, organization, webhook_id, url, requested_at, cancelled_at, ended_at, lease_until
FROM rehearsal

-- name: rehearsal_answer
SELECT rehearsal, position, delivery_id, attempt_id, event, attempt, answered_at, outcome, status,
    duration_ms, error_message, body_start
FROM rehearsal_answer

-- name: activity
SELECT id, organization, action, webhook_id, webhook_url, webhook_name, subject, actor_kind, actor_id, actor_name,
    address, changes, details
FROM activity

-- name: alert_settings
SELECT organization, emails, event_names, language FROM alert_settings

-- name: alert_state
SELECT webhook_id, state, since, told, failed, failed_told_at FROM alert_state

-- name: alert
SELECT id, event, at, data FROM alert

-- name: alert_mail
SELECT alert, email, language, event, at, data, attempts, due_at FROM alert_mail

-- name: sign_in_link
SELECT hash, organization, role, user AS user_name, expires_at, page_options FROM sign_in_link

-- name: session
SELECT hash, organization, role, user AS user_name, expires_at, page_options FROM session

-- name: event
SELECT id, organization, name, client_id, accepted_at, body FROM event

-- name: delivery
SELECT organization, id, webhook_id, event, status, test, attempts, lease, accepted_at, settled_at
FROM delivery

-- name: attempt
SELECT id, organization, webhook_id, delivery_id, event, attempt, trigger, outcome, started_at,
    duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, reconnected, status, reason, error_kind,
    error_message, error_code, error_phase, truncated, url, request_head, response_head,
    response_body
FROM attempt

-- name: oldest
SELECT accepted_at FROM event ORDER BY id LIMIT 1

-- name: has_secrets
SELECT EXISTS (
    SELECT 1 FROM webhook
    WHERE secret IS NOT NULL OR next_secret IS NOT NULL OR credentials IS NOT NULL)

-- name: finish
-- In PostgreSQL: numbers go on from where they were.
UPDATE meta SET value = greatest(value, (SELECT coalesce(max(change_mark), 1) FROM webhook))
WHERE name = 'change_mark';
SELECT setval(pg_get_serial_sequence('job', 'id'), max(id)) FROM job HAVING count(*) > 0;
SELECT setval('acceptance', max(order_number)) FROM pending HAVING count(order_number) > 0

-- Looking back. A page is one row of one value: a JSON array, its blobs as hex.

-- name: stopped
-- Its webhook stopped being active after it was asked for.
(webhook.status = 'deleted' OR pending.epoch NOT IN (webhook.epoch, -1))

-- name: delivery_status
CASE
    WHEN pending.delivery_id IS NULL OR pending.finished THEN coalesce(delivery.status, 'failed')
    WHEN {stopped} THEN 'cancelled'
    ELSE 'pending'
END

-- name: next_attempt_at
iif({stopped}, NULL, pending.due_at)

-- name: attempt_page
SELECT json_group_array(json_array(
    attempt.id, attempt.organization, attempt.delivery_id, attempt.event_id, attempt.webhook_id,
    attempt.event, attempt.attempt, attempt.trigger, attempt.outcome, attempt.started_at,
    attempt.duration_ms,
    attempt.dns_ms, attempt.connect_ms, attempt.tls_ms, attempt.first_byte_ms, attempt.reconnected,
    attempt.url, hex(attempt.request_head), hex(iif(:bodies, event.body, x'')), attempt.status,
    attempt.reason,
    hex(iif(:whole, attempt.response_head, substr(attempt.response_head, 1, 8192))),
    hex(CASE
        WHEN :whole THEN attempt.response_body
        WHEN attempt.outcome = 'failed' THEN substr(attempt.response_body, 1, 1024)
        ELSE x''
    END),
    attempt.truncated, attempt.error_kind, attempt.error_message, attempt.error_code,
    attempt.error_phase, {delivery_status}, {next_attempt_at}))
FROM json_each(:attempts) AS given
CROSS JOIN attempt ON attempt.seq = given.value
LEFT JOIN event ON event.id = attempt.event_id
LEFT JOIN webhook ON webhook.id = attempt.webhook_id
LEFT JOIN pending
    ON pending.webhook_id = attempt.webhook_id AND pending.delivery_id = attempt.delivery_id
LEFT JOIN delivery
    ON delivery.organization = attempt.organization AND delivery.id = attempt.delivery_id

-- name: walk_organization
SELECT seq, id FROM attempt INDEXED BY attempt_organization
WHERE organization = :organization AND id < :before AND id >= :floor ORDER BY id DESC LIMIT :step

-- name: walk_failed
SELECT seq, id FROM attempt INDEXED BY attempt_failed
WHERE organization = :organization AND outcome = 'failed' AND id < :before AND id >= :floor
ORDER BY id DESC LIMIT :step

-- name: walk_webhook
SELECT seq, id FROM attempt INDEXED BY attempt_webhook
WHERE webhook_id = :webhook AND id < :before AND id >= :floor ORDER BY id DESC LIMIT :step

-- name: walked
json_group_array(seq), min(id), count(*)

-- name: step_organization
SELECT {walked} FROM ({walk_organization})

-- name: step_failed
SELECT {walked} FROM ({walk_failed})

-- name: step_webhook
SELECT {walked} FROM ({walk_webhook})

-- name: matching_attempts
-- Of one step's attempts, the first so many that match.
SELECT json_group_array(seq) FROM (
    SELECT attempt.seq
    FROM json_each(:attempts) AS given
    CROSS JOIN attempt ON attempt.seq = given.value
    WHERE attempt.organization = :organization
        AND (:webhook IS NULL OR attempt.webhook_id = :webhook)
        AND (:event IS NULL OR attempt.event = :event)
        AND (:outcome IS NULL OR attempt.outcome = :outcome)
        AND (:status_from IS NULL OR attempt.status BETWEEN :status_from AND :status_to)
        AND (:since IS NULL OR attempt.started_at >= :since)
        AND (:until IS NULL OR attempt.started_at < :until)
        AND (:id IS NULL
            OR :id IN (attempt.id, attempt.delivery_id, attempt.event_id, attempt.webhook_id))
        AND (:patterns IS NULL OR EXISTS (
            SELECT 1 FROM json_each(:patterns) AS pattern
            WHERE attempt.error_message LIKE pattern.value ESCAPE '\'
                OR attempt.id LIKE pattern.value ESCAPE '\'
                OR attempt.delivery_id LIKE pattern.value ESCAPE '\'
                OR attempt.event_id LIKE pattern.value ESCAPE '\'
                OR attempt.webhook_id LIKE pattern.value ESCAPE '\'
                OR CAST(attempt.response_body AS TEXT) LIKE pattern.value ESCAPE '\'
                OR (SELECT CAST(event.body AS TEXT) FROM event WHERE event.id = attempt.event_id)
                    LIKE pattern.value ESCAPE '\'))
    ORDER BY given.key
    LIMIT :limit)

-- name: is_known_id
SELECT EXISTS (SELECT 1 FROM attempt WHERE organization = :organization AND id = :id)
    OR EXISTS (SELECT 1 FROM attempt WHERE delivery_id = :id AND organization = :organization)
    OR EXISTS (SELECT 1 FROM event WHERE id = :id AND organization = :organization)
    OR EXISTS (SELECT 1 FROM webhook WHERE id = :id AND organization = :organization)

-- name: is_own_webhook
SELECT EXISTS (SELECT 1 FROM webhook WHERE id = ? AND organization = ?)

-- name: one_attempt
SELECT seq FROM attempt WHERE organization = ? AND id = ?

-- name: attempts_of_delivery
-- The newest so many, oldest first.
SELECT json_group_array(seq) FROM (
    SELECT seq, started_at FROM (
        SELECT seq, started_at FROM attempt WHERE delivery_id = ? AND organization = ?
        ORDER BY started_at DESC, seq DESC LIMIT ?)
    ORDER BY started_at, seq)

-- name: step_deliveries
SELECT json_group_array(json_array(id, webhook_id)) FROM (
    SELECT id, webhook_id FROM delivery
    WHERE organization = :organization AND id < :before AND id >= :floor
    ORDER BY id DESC LIMIT :step)

-- name: step_undelivered
SELECT json_group_array(json_array(id, webhook_id)) FROM (
    SELECT delivery.id, delivery.webhook_id
    FROM ({asked_webhooks}) AS webhook CROSS JOIN delivery
        ON delivery.organization = :organization
        AND delivery.id IN (
            SELECT one.id FROM delivery AS one INDEXED BY delivery_undelivered
            WHERE one.webhook_id = webhook.id AND one.status IN ('failed', 'cancelled')
                AND one.id < :before AND one.id >= :floor
            ORDER BY one.id DESC LIMIT :step)
    ORDER BY delivery.id DESC LIMIT :step)

-- name: asked_webhooks
-- The webhook that is asked for, or all of the organization: deleted ones have deliveries, too.
SELECT id FROM webhook WHERE :webhook IS NULL AND organization = :organization
UNION ALL
SELECT id FROM webhook WHERE id = :webhook AND organization = :organization

-- name: step_pending
SELECT json_group_array(json_array(delivery_id, webhook_id)) FROM (
    SELECT pending.delivery_id, pending.webhook_id
    FROM ({working_webhooks}) AS webhook CROSS JOIN pending
        ON pending.webhook_id = webhook.id
        AND pending.delivery_id IN (
            SELECT one.delivery_id FROM pending AS one
            WHERE one.webhook_id = webhook.id AND one.delivery_id < :before
                AND one.delivery_id >= :floor
            ORDER BY one.delivery_id DESC LIMIT :step)
    WHERE :webhook IS NULL OR webhook.id = :webhook
    ORDER BY pending.delivery_id DESC LIMIT :step)

-- name: delivery_rows
SELECT
    given.key AS place, coalesce(pending.delivery_id, delivery.id) AS id,
    coalesce(pending.organization, delivery.organization) AS organization,
    coalesce(pending.event, delivery.event) AS event, webhook.id AS webhook_id,
    {delivery_status} AS status,
    coalesce(pending.test, delivery.test) AS test, {next_attempt_at} AS next_attempt_at,
    coalesce(pending.accepted_at, delivery.accepted_at) AS accepted_at
FROM json_each(:deliveries) AS given
CROSS JOIN webhook ON webhook.id = given.value ->> 1 AND webhook.organization = :organization
LEFT JOIN pending
    ON pending.webhook_id = given.value ->> 1 AND pending.delivery_id = given.value ->> 0
LEFT JOIN delivery
    ON delivery.organization = :organization AND delivery.id = given.value ->> 0
WHERE coalesce(pending.delivery_id, delivery.id) IS NOT NULL

-- name: matching_deliveries
SELECT json_group_array(json_array(
    id, organization, event, webhook_id, status, test, next_attempt_at))
FROM (
    SELECT * FROM ({delivery_rows})
    WHERE (:webhook IS NULL OR webhook_id = :webhook)
        AND (:event IS NULL OR event = :event)
        AND (:status IS NULL OR status = :status)
        AND (:since IS NULL OR accepted_at >= :since)
        AND (:until IS NULL OR accepted_at < :until)
    ORDER BY place
    LIMIT :limit)

-- name: deliveries_of_event
SELECT json_group_array(json_array(id, webhook_id)) FROM (
    SELECT id, webhook_id FROM delivery
    WHERE organization = :organization AND id >= :first AND id <= :last
    UNION
    SELECT pending.delivery_id, pending.webhook_id
    FROM ({working_webhooks}) AS webhook CROSS JOIN pending
        ON pending.webhook_id = webhook.id
        AND pending.delivery_id >= :first AND pending.delivery_id <= :last
    ORDER BY 1)

-- name: get_event
SELECT id, organization, name, client_id, accepted_at, body FROM event
WHERE id = ? AND organization = ?

-- name: get_health
SELECT json_group_array(json_array(
    webhook_id, starts_at, duration_class, succeeded, failed, exhausted))
FROM (
    SELECT health.* FROM webhook INDEXED BY webhook_live CROSS JOIN health
        ON health.webhook_id = webhook.id AND health.starts_at >= :since
    WHERE webhook.organization = :organization AND webhook.status <> 'deleted')

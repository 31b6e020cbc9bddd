-- Reading the log. A page is one row of one value: a JSON array, its blobs as hex.

-- name: attempt_page
SELECT json_group_array(json_array({attempt_columns_of_page}))
FROM json_each(:keys) AS given
CROSS JOIN attempt ON attempt.seq = given.value ->> 1
LEFT JOIN event ON event.id = attempt.event_id AND :bodies
LEFT JOIN webhook ON webhook.id = attempt.webhook_id
LEFT JOIN pending
    ON pending.webhook_id = attempt.webhook_id AND pending.delivery_id = attempt.delivery_id
LEFT JOIN delivery
    ON delivery.organization = attempt.organization AND delivery.id = attempt.delivery_id

-- name: attempt_event
attempt.event_id

-- name: later
max

-- name: bytes
hex

-- name: walk_event
-- The attempts of an event's deliveries, few enough to sort.
SELECT json_group_array(json_array(id, seq)) FROM (
    SELECT id, seq FROM attempt INDEXED BY attempt_delivery
    WHERE delivery_id BETWEEN 'dlv_' || substr(:key, 5) || '0000'
            AND 'dlv_' || substr(:key, 5) || 'zzzz'
        AND id >= :floor AND id < :before
    ORDER BY id DESC LIMIT :limit)

-- name: matching_attempts
-- Those of one step's attempts that match.
SELECT json_group_array(json_array(id, seq)) FROM (
    SELECT attempt.id, attempt.seq
    FROM json_each(:keys) AS given
    CROSS JOIN attempt ON attempt.seq = given.value ->> 1
    WHERE attempt.organization = :organization
        AND {attempt_matches}
        AND (:patterns IS NULL OR EXISTS (
            SELECT 1 FROM json_each(:patterns) AS pattern
            WHERE attempt.error_message LIKE pattern.value ESCAPE '\'
                OR attempt.url LIKE pattern.value ESCAPE '\'
                OR attempt.id LIKE pattern.value ESCAPE '\'
                OR attempt.delivery_id LIKE pattern.value ESCAPE '\'
                OR attempt.event_id LIKE pattern.value ESCAPE '\'
                OR attempt.webhook_id LIKE pattern.value ESCAPE '\'
                OR CAST(attempt.request_head AS TEXT) LIKE pattern.value ESCAPE '\'
                OR CAST(attempt.response_head AS TEXT) LIKE pattern.value ESCAPE '\'
                OR CAST(attempt.response_body AS TEXT) LIKE pattern.value ESCAPE '\'
                OR (SELECT CAST(event.body AS TEXT) FROM event WHERE event.id = attempt.event_id)
                    LIKE pattern.value ESCAPE '\'))
    ORDER BY given.key
    LIMIT :limit)

-- name: attempts_of_delivery
-- The newest, oldest first.
SELECT json_group_array(json_array(id, seq)) FROM (
    SELECT id, seq, started_at FROM (
        SELECT id, seq, started_at FROM attempt
        WHERE delivery_id = :delivery AND organization = :organization
        ORDER BY started_at DESC, seq DESC LIMIT :limit)
    ORDER BY started_at, seq)

-- name: step_deliveries
SELECT json_group_array(json_array(id, webhook_id)) FROM (
    SELECT id, webhook_id FROM delivery
    WHERE organization = :organization AND id < :before AND id >= :floor
    ORDER BY id DESC LIMIT :limit)

-- name: step_undelivered
SELECT json_group_array(json_array(id, webhook_id)) FROM (
    SELECT delivery.id, delivery.webhook_id
    FROM ({asked_webhooks}) AS webhook CROSS JOIN delivery
        ON delivery.organization = :organization
        AND delivery.id IN (
            SELECT one.id FROM delivery AS one INDEXED BY delivery_undelivered
            WHERE one.webhook_id = webhook.id AND one.status IN ('failed', 'cancelled')
                AND one.id < :before AND one.id >= :floor
            ORDER BY one.id DESC LIMIT :limit)
    ORDER BY delivery.id DESC LIMIT :limit)

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
            ORDER BY one.delivery_id DESC LIMIT :limit)
    WHERE :webhook IS NULL OR webhook.id = :webhook
    ORDER BY pending.delivery_id DESC LIMIT :limit)

-- name: delivery_rows
SELECT
    given.key AS place, coalesce(pending.delivery_id, delivery.id) AS id,
    coalesce(pending.event, delivery.event) AS event, webhook.id AS webhook_id,
    {delivery_status} AS status,
    coalesce(pending.test, delivery.test) AS test, {next_attempt_at} AS next_attempt_at,
    {waits_for} AS waits_for,
    coalesce(pending.accepted_at, delivery.accepted_at) AS accepted_at
FROM json_each(:keys) AS given
CROSS JOIN webhook ON webhook.id = given.value ->> 1 AND webhook.organization = :organization
LEFT JOIN pending
    ON pending.webhook_id = given.value ->> 1 AND pending.delivery_id = given.value ->> 0
LEFT JOIN delivery
    ON delivery.organization = :organization AND delivery.id = given.value ->> 0
WHERE coalesce(pending.delivery_id, delivery.id) IS NOT NULL

-- name: matching_deliveries
SELECT json_group_array(json_array(
    id, event, webhook_id, status, test, next_attempt_at, waits_for))
FROM (
    SELECT * FROM ({delivery_rows}) AS delivery WHERE {delivery_matches}
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

-- name: get_health
SELECT json_group_array(json_array(
    webhook_id, starts_at, duration_class, succeeded, failed, exhausted))
FROM (
    SELECT health.* FROM webhook INDEXED BY webhook_live CROSS JOIN health
        ON health.webhook_id = webhook.id AND health.starts_at >= :since
    WHERE webhook.organization = :organization AND webhook.status <> 'deleted')

-- name: traffic_counts
SELECT json_group_array(json_array(interval, duration_class, succeeded, failed)) FROM (
    SELECT (starts_at - :since) / :step AS interval, duration_class,
        sum(succeeded) AS succeeded, sum(failed) AS failed
    FROM health
    WHERE webhook_id = :webhook AND starts_at >= :since AND starts_at < :until
    GROUP BY 1, 2)

-- name: sampled_attempts
SELECT json_group_array(json_array(started_at, event, outcome, status)) FROM (
    SELECT attempt.started_at, attempt.event, attempt.outcome, attempt.status
    FROM json_each(:keys) AS given
    CROSS JOIN attempt ON attempt.seq = given.value ->> 1
    WHERE attempt.organization = :organization AND attempt.trigger <> 'test')

-- name: webhook_states
-- One look-up in each index for each webhook. Counting stops at the limit.
SELECT json_group_array(json_array(
    webhook.id, webhook.failing_since, webhook.failures,
    (SELECT count(*) FROM (
        SELECT 1 FROM pending
        WHERE pending.webhook_id = webhook.id AND NOT pending.finished
            AND webhook.status = 'active' AND pending.epoch = webhook.epoch
        LIMIT :limit))))
FROM webhook INDEXED BY webhook_live
WHERE webhook.organization = :organization AND webhook.status <> 'deleted'
    AND webhook.listener IS NULL

-- name: last_attempts
SELECT json_group_array(json_array(
    attempt.webhook_id, attempt.id, attempt.outcome, attempt.status, attempt.error_message,
    attempt.started_at))
FROM json_each(:webhooks) AS given
CROSS JOIN attempt ON attempt.seq = (
    SELECT last.seq FROM attempt AS last INDEXED BY attempt_webhook
    WHERE last.webhook_id = given.value AND last.id >= :floor AND last.id < :before
    ORDER BY last.id DESC LIMIT 1)

-- name: first_failures
-- The oldest failure of each streak: settled at `failing_since`, so made shortly before, and after
-- any success of that moment. The rows are webhook, floor, ceiling.
SELECT json_group_array(json_array(webhook_id, id)) FROM (
    SELECT given.column1 AS webhook_id, (
        SELECT first.id FROM attempt AS first INDEXED BY attempt_webhook
        WHERE first.webhook_id = given.column1
            AND first.outcome = 'failed' AND first.trigger <> 'test'
            AND first.id > coalesce(
                (SELECT max(success.id) FROM attempt AS success INDEXED BY attempt_webhook
                    WHERE success.webhook_id = given.column1
                        AND success.id >= given.column2 AND success.id < given.column3
                        AND success.outcome = 'succeeded'),
                given.column2)
        ORDER BY first.id LIMIT 1) AS id
    FROM ({rows:3}) AS given)
WHERE id IS NOT NULL

-- name: count_cancelled
-- What the job has written, and what it still has to write (see `stopped`). Counting stops at the
-- limit.
SELECT
    (SELECT count(*) FROM (
        SELECT 1 FROM delivery INDEXED BY delivery_undelivered
        WHERE webhook_id = :webhook AND status IN ('failed', 'cancelled')
            AND status = 'cancelled' AND NOT test AND organization = :organization
        LIMIT :limit))
    + (SELECT count(*) FROM (
        SELECT 1 FROM webhook CROSS JOIN pending ON pending.webhook_id = webhook.id
        WHERE webhook.id = :webhook AND webhook.organization = :organization
            AND NOT pending.finished AND NOT pending.test
            AND pending.epoch BETWEEN 0 AND webhook.epoch - 1
        LIMIT :limit))

-- name: attempt_key
seq

-- name: as_rows
SELECT json_group_array(json_array(id, seq)) FROM (

-- name: end_rows
)

-- name: by
INDEXED BY %

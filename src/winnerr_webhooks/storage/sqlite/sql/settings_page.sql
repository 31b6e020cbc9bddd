-- What only the settings page asks: who is signed in, and how webhooks stand.

-- name: add_link
INSERT INTO sign_in_link (hash, organization, role, user, expires_at) VALUES (?, ?, ?, ?, ?)

-- name: find_link
SELECT organization, role, user, expires_at FROM sign_in_link WHERE hash = ? AND expires_at > ?

-- name: take_link
DELETE FROM sign_in_link WHERE hash = ? RETURNING organization, role, user, expires_at

-- name: add_session
INSERT INTO session (hash, organization, role, user, expires_at) VALUES (?, ?, ?, ?, ?)

-- name: find_session
SELECT organization, role, user, expires_at FROM session WHERE hash = ? AND expires_at > ?

-- name: end_session
DELETE FROM session WHERE hash = ?

-- name: drop_links
DELETE FROM sign_in_link WHERE hash IN (
    SELECT hash FROM sign_in_link WHERE expires_at <= :now LIMIT :slice)

-- name: drop_sessions
DELETE FROM session WHERE hash IN (
    SELECT hash FROM session WHERE expires_at <= :now LIMIT :slice)

-- name: webhook_states
-- One look into each index a webhook; what waits is counted up to a limit.
SELECT json_group_array(json_array(
    webhook.id, webhook.failing_since, webhook.failures,
    (SELECT json_array(id, outcome, status, error_message, started_at)
        FROM attempt INDEXED BY attempt_webhook
        WHERE webhook_id = webhook.id ORDER BY id DESC LIMIT 1),
    (SELECT count(*) FROM (
        SELECT 1 FROM pending
        WHERE pending.webhook_id = webhook.id AND NOT pending.finished
            AND webhook.status = 'active' AND pending.epoch IN (webhook.epoch, -1)
        LIMIT :most))))
FROM webhook INDEXED BY webhook_live
WHERE webhook.organization = :organization AND webhook.status <> 'deleted'

-- name: first_failure
-- The oldest failure of a run: settled at `failing_since`, so made shortly before, and after
-- any success of that moment.
SELECT id FROM attempt INDEXED BY attempt_webhook
WHERE webhook_id = :webhook AND outcome = 'failed' AND trigger <> 'test'
    AND id > coalesce(
        (SELECT max(id) FROM attempt INDEXED BY attempt_webhook
            WHERE webhook_id = :webhook AND id >= :floor AND id < :ceiling
                AND outcome = 'succeeded'),
        :floor)
ORDER BY id LIMIT 1

-- name: count_cancelled
-- What the job has written already, and what it will (see `stopped`).
SELECT
    (SELECT count(*) FROM (
        SELECT 1 FROM delivery INDEXED BY delivery_undelivered
        WHERE webhook_id = :webhook AND status IN ('failed', 'cancelled')
            AND status = 'cancelled' AND NOT test AND organization = :organization
        LIMIT :most)),
    (SELECT count(*) FROM (
        SELECT 1 FROM webhook CROSS JOIN pending ON pending.webhook_id = webhook.id
        WHERE webhook.id = :webhook AND webhook.organization = :organization
            AND NOT pending.finished AND NOT pending.test
            AND pending.epoch BETWEEN 0 AND webhook.epoch - 1
        LIMIT :most))

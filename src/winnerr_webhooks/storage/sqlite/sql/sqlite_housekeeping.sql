-- Retention and figures.

-- name: figures
SELECT
    (SELECT json_array(count(*), min(accepted_at)) FROM pending WHERE NOT finished),
    (SELECT count(*) FROM lane),
    (SELECT count(*) FROM job),
    (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)

-- name: old_attempts
-- Organization by organization, the next so many attempts that are old and not among the newest
-- kept ones. Where even the oldest is young, one look is all it takes.
WITH RECURSIVE organizations (name) AS (
    SELECT min(organization) FROM attempt WHERE organization >= :cursor
    UNION ALL
    SELECT (SELECT min(organization) FROM attempt WHERE organization > organizations.name)
    FROM organizations WHERE organizations.name IS NOT NULL
),
bounds (organization, bound) AS (
    SELECT name,
        CASE WHEN (SELECT min(id) FROM attempt WHERE organization = name) < :floor THEN
            (SELECT id FROM attempt WHERE organization = name ORDER BY id DESC LIMIT 1 OFFSET :kept)
        END
    FROM organizations WHERE name IS NOT NULL
)
SELECT json_group_array(json_array(organization, seq)) FROM (
    SELECT attempt.organization, attempt.seq
    FROM bounds CROSS JOIN attempt
        ON attempt.organization = bounds.organization
        AND attempt.id <= bounds.bound AND attempt.id < :floor
    LIMIT :slice)

-- name: drop_attempts
DELETE FROM attempt WHERE seq IN (SELECT value ->> 1 FROM json_each(?))

-- name: old_deliveries
WITH RECURSIVE organizations (name) AS (
    SELECT min(organization) FROM delivery WHERE organization >= :cursor
    UNION ALL
    SELECT (SELECT min(organization) FROM delivery WHERE organization > organizations.name)
    FROM organizations WHERE organizations.name IS NOT NULL
)
SELECT json_group_array(json_array(organization, id)) FROM (
    SELECT delivery.organization, delivery.id
    FROM organizations CROSS JOIN delivery
        ON delivery.organization = organizations.name AND delivery.id < :floor
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.delivery_id = delivery.id)
        AND NOT EXISTS (
            SELECT 1 FROM pending
            WHERE pending.webhook_id = delivery.webhook_id AND pending.delivery_id = delivery.id)
    LIMIT :slice)

-- name: drop_deliveries
DELETE FROM delivery
WHERE (organization, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))

-- name: old_events
-- What waits for a deleted webhook is cancelled, so it keeps no event.
SELECT json_group_array(json_array(id, seq)) FROM (
    SELECT event.id, event.seq FROM event
    WHERE event.id >= :cursor AND event.id < :floor
        AND NOT EXISTS (
            SELECT 1 FROM delivery
            WHERE delivery.organization = event.organization
                AND delivery.id BETWEEN 'dlv_' || substr(event.id, 5)
                    AND 'dlv_' || substr(event.id, 5) || 'zzzz')
        AND NOT EXISTS (
            SELECT 1 FROM attempt
            WHERE attempt.delivery_id BETWEEN 'dlv_' || substr(event.id, 5)
                AND 'dlv_' || substr(event.id, 5) || 'zzzz')
        AND NOT EXISTS (
            SELECT 1 FROM webhook INDEXED BY webhook_live CROSS JOIN pending
                ON pending.webhook_id = webhook.id
                AND pending.delivery_id BETWEEN 'dlv_' || substr(event.id, 5)
                    AND 'dlv_' || substr(event.id, 5) || 'zzzz'
            WHERE webhook.organization = event.organization AND webhook.status <> 'deleted')
    ORDER BY event.id
    LIMIT :slice)

-- name: drop_events
DELETE FROM event WHERE seq IN (SELECT value ->> 1 FROM json_each(?))

-- name: drop_health
DELETE FROM health WHERE (webhook_id, starts_at, duration_class) IN (
    SELECT webhook_id, starts_at, duration_class FROM health WHERE starts_at < :before LIMIT :slice)

-- name: drop_idempotency
DELETE FROM idempotency WHERE (organization, client_id) IN (
    SELECT organization, client_id FROM idempotency WHERE at < :before LIMIT :slice)

-- name: due_removals
-- Deleted webhooks that are due for a check, and whether something needs them: what waits, a job,
-- an attempt, or a delivery without one (one that was delivered has an attempt, no older than it
-- is). The highest number of an organization and the highest change mark stay, so that neither is
-- given out twice.
SELECT json_group_array(json_array(id, needed)) FROM (
    SELECT webhook.id,
        EXISTS (SELECT 1 FROM pending WHERE pending.webhook_id = webhook.id)
        OR EXISTS (SELECT 1 FROM job WHERE job.webhook_id = webhook.id)
        OR EXISTS (
            SELECT 1 FROM attempt INDEXED BY attempt_webhook WHERE attempt.webhook_id = webhook.id)
        OR EXISTS (
            SELECT 1 FROM delivery INDEXED BY delivery_undelivered
            WHERE delivery.webhook_id = webhook.id AND delivery.status IN ('failed', 'cancelled'))
        OR number = (
            SELECT max(number) FROM webhook AS other
            WHERE other.organization = webhook.organization)
        OR change_mark = (SELECT max(change_mark) FROM webhook) AS needed
    FROM webhook INDEXED BY webhook_removal
    WHERE status = 'deleted' AND coalesce(kept_until, updated_at + 86400000) <= :now
    ORDER BY coalesce(kept_until, updated_at + 86400000)
    LIMIT :slice)

-- name: drop_links
DELETE FROM sign_in_link WHERE hash IN (
    SELECT hash FROM sign_in_link WHERE expires_at <= :now LIMIT :slice)

-- name: drop_sessions
DELETE FROM session WHERE hash IN (
    SELECT hash FROM session WHERE expires_at <= :now LIMIT :slice)

-- name: end_overlaps
UPDATE webhook SET secret = next_secret, next_secret = NULL, overlap_ends_at = NULL
WHERE overlap_ends_at <= :now

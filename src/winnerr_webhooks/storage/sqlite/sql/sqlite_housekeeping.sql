-- Retention and figures.

-- name: figures
SELECT
    (SELECT json_array(count(*), min(accepted_at)) FROM pending WHERE NOT finished),
    (SELECT count(*) FROM lane),
    (SELECT count(*) FROM job),
    (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)

-- name: organizations
organizations (name) AS (
    SELECT min(organization) FROM % WHERE organization >= :cursor
    UNION ALL
    SELECT (SELECT min(organization) FROM % WHERE organization > organizations.name)
    FROM organizations WHERE organizations.name IS NOT NULL
)

-- name: old_attempts
-- Organization by organization, the next attempts that are old and not among the newest kept ones.
-- If even the oldest is young, that takes one look-up.
WITH RECURSIVE {organizations:attempt},
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
WITH RECURSIVE {organizations:delivery}
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
-- Pending deliveries of a deleted webhook are cancelled, so they keep no event.
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

-- name: end_overlaps
UPDATE webhook SET secret = next_secret, next_secret = NULL, overlap_ends_at = NULL
WHERE overlap_ends_at <= :now

-- name: one_look

-- name: has_last_mark
-- The highest change mark stays, so that it is not given out twice.
change_mark = (SELECT max(change_mark) FROM webhook)

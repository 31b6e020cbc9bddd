-- Partitions, retention, figures.

-- name: database_now
-- In milliseconds, and not the transaction's beginning.
SELECT extract(epoch FROM clock_timestamp())::float8 * 1000

-- name: unsafe_settings
SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes']) AS settings (name)
WHERE current_setting(name) = 'off'

-- name: figures
SELECT
    (SELECT count(*) FROM pending WHERE NOT finished),
    (SELECT min(accepted_at) FROM pending WHERE NOT finished),
    (SELECT count(*) FROM lane),
    (SELECT count(*) FROM job),
    pg_database_size(current_database())

-- name: partitions
SELECT given.name, child.relname::text, pg_get_expr(child.relpartbound, child.oid),
    greatest(child.reltuples, 0)::bigint
FROM unnest($1::text[]) AS given (name)
JOIN pg_inherits ON pg_inherits.inhparent = to_regclass(given.name)
JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid

-- name: rows_about
SELECT greatest(reltuples::bigint, pg_stat_get_live_tuples(oid)) FROM pg_class
WHERE oid = to_regclass($1)

-- name: carry_state
-- No row while another node works on it.
SELECT until, step, cursor, gone FROM carry FOR UPDATE SKIP LOCKED

-- name: move_carry
UPDATE carry SET until = $1, step = $2, cursor = $3, gone = $4

-- name: organizations_before
-- The next organizations that have leaving attempts.
-- $1 after this one; $2 first attempt that stays in its day; $3 how many at most
WITH RECURSIVE found (name) AS (
    (SELECT organization FROM attempt WHERE organization > $1 AND id < $2
        ORDER BY organization LIMIT 1)
    UNION ALL
    SELECT (
        SELECT organization FROM attempt WHERE organization > found.name AND id < $2
        ORDER BY organization LIMIT 1)
    FROM found WHERE found.name IS NOT NULL
)
SELECT name FROM found WHERE name IS NOT NULL LIMIT $3

-- name: carry_newest_attempts
-- Carry those of an organization's newest $3 attempts that are leaving; their deliveries.
WITH bound AS MATERIALIZED (
    SELECT coalesce(
        (SELECT id FROM attempt WHERE organization = $1 ORDER BY id DESC OFFSET $3 - 1 LIMIT 1),
        '') AS id
)
INSERT INTO attempt_next
SELECT attempt.* FROM attempt
WHERE attempt.organization = $1 AND attempt.id >= (SELECT id FROM bound) AND attempt.id < $2
ON CONFLICT (organization, id) DO NOTHING
RETURNING organization, delivery_id

-- name: needs_of_young_attempts
-- Leaving deliveries of attempts that stay in their days.
-- $1 after this delivery; $2 first delivery, $3 first attempt that stays; $4 how many at most
SELECT organization, delivery_id FROM attempt
WHERE delivery_id > $1 AND delivery_id < $2 AND id >= $3
ORDER BY delivery_id LIMIT $4

-- name: needs_of_pending
-- Of the next $4 pending deliveries: those that are leaving, and always the last one.
-- $1, $2 after this webhook and delivery; $3 first delivery that stays
SELECT organization, delivery_id, webhook_id
FROM (
    SELECT *, row_number() OVER all_of_them = count(*) OVER () AS is_last
    FROM (
        SELECT webhook_id, delivery_id, organization FROM pending
        WHERE (webhook_id, delivery_id) > ($1, $2)
        ORDER BY webhook_id, delivery_id LIMIT $4
    ) AS chunk
    WINDOW all_of_them AS (ORDER BY webhook_id, delivery_id)
) AS numbered
WHERE delivery_id < $3 OR is_last
ORDER BY webhook_id, delivery_id

-- name: needs_of_replays
-- Leaving deliveries whose replay is pending, and that were not carried. OFFSET 0 keeps the
-- planner from walking the days and looking for replays of each delivery in them.
-- $1 first delivery that stays; $2 how many at most
SELECT organization, delivery_id FROM pending
WHERE finished AND delivery_id < $1
    AND EXISTS (
        SELECT FROM delivery
        WHERE delivery.organization = pending.organization AND delivery.id = pending.delivery_id
            AND delivery.id < $1
        OFFSET 0)
    AND NOT EXISTS (
        SELECT FROM delivery_next
        WHERE delivery_next.organization = pending.organization
            AND delivery_next.id = pending.delivery_id
        OFFSET 0)
LIMIT $2

-- name: carry_attempts
INSERT INTO attempt_next
SELECT attempt.*
FROM unnest($1::text[], $2::text[]) AS given (organization, id)
JOIN attempt ON attempt.organization = given.organization AND attempt.id = given.id
WHERE attempt.id < $3
ON CONFLICT (organization, id) DO NOTHING
RETURNING organization, delivery_id

-- name: carry_deliveries
INSERT INTO delivery_next
SELECT delivery.*
FROM unnest($1::text[], $2::text[]) AS given (organization, id)
JOIN delivery ON delivery.organization = given.organization AND delivery.id = given.id
WHERE delivery.id < $3
ON CONFLICT (organization, id) DO NOTHING

-- name: carry_events
INSERT INTO event_next
SELECT event.* FROM unnest($1::text[]) AS given (id) JOIN event ON event.id = given.id
WHERE event.id < $2
ON CONFLICT (id) DO NOTHING

-- name: take_late_writes
DELETE FROM late_write WHERE history = $1 RETURNING organization, id

-- name: forget_late_writes
DELETE FROM late_write

-- name: drop_next_attempts
DELETE FROM attempt_next USING unnest($1::text[], $2::text[]) AS given (organization, id)
WHERE attempt_next.organization = given.organization AND attempt_next.id = given.id

-- name: drop_next_deliveries
DELETE FROM delivery_next USING unnest($1::text[], $2::text[]) AS given (organization, id)
WHERE delivery_next.organization = given.organization AND delivery_next.id = given.id

-- name: drop_next_events
DELETE FROM event_next USING unnest($1::text[], $2::text[]) AS given (organization, id)
WHERE event_next.organization = given.organization AND event_next.id = given.id

-- name: drop_health
DELETE FROM health
WHERE starts_at < :before
    AND ctid = ANY (ARRAY(SELECT ctid FROM health WHERE starts_at < :before ORDER BY starts_at LIMIT :slice))

-- name: end_overlaps
-- The second secret becomes the only one. Nodes know when, so this is no change of the webhook.
UPDATE webhook SET secret = next_secret, next_secret = NULL, overlap_ends_at = NULL
WHERE overlap_ends_at <= :now
    AND id IN (
        SELECT id FROM webhook WHERE overlap_ends_at <= :now ORDER BY id LIMIT :slice
        FOR UPDATE SKIP LOCKED)

-- name: one_look
-- It makes a check a look-up in an index.
OFFSET 0

-- name: has_last_mark
false

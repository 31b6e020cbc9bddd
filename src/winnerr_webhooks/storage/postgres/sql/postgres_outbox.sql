-- The outbox: see storage/outbox.py.

-- name: outbox_waits
SELECT EXISTS (SELECT FROM outbox WHERE refused_at IS NULL)

-- name: take_outbox_turn
-- One node at a time moves events on, so that no two do the same work; nothing else rests on it.
-- $1 now; $2 a turn that was taken before this is over; $3 when this node took its last one
UPDATE meta SET value = $1
WHERE name = 'outbox_turn' AND (value <= $2 OR value = $3 OR value > $1 + ($1 - $2))

-- name: waiting_events
-- $1 after this organization; $2 none of these; $3 longest data; $4 most bytes; $5 organizations,
-- $6 events of each, $7 events at most
WITH RECURSIVE found (name) AS (
    (SELECT organization FROM outbox WHERE refused_at IS NULL AND organization > $1
        ORDER BY organization LIMIT 1)
    UNION ALL
    SELECT (
        SELECT organization FROM outbox WHERE refused_at IS NULL AND organization > found.name
        ORDER BY organization LIMIT 1)
    FROM found WHERE found.name IS NOT NULL
),
served AS (
    SELECT name FROM found WHERE name IS NOT NULL AND name <> ALL ($2::text[]) LIMIT $5
),
candidates AS (
    SELECT one.*, least(size, $3) AS bytes,
        row_number() OVER (PARTITION BY organization ORDER BY position) AS turn
    FROM served
    CROSS JOIN LATERAL (
        SELECT * FROM outbox WHERE organization = served.name AND refused_at IS NULL
        ORDER BY position LIMIT $6
    ) AS one
)
SELECT position, id, organization, event, CASE WHEN size <= $3 THEN data END, size,
    CASE
        WHEN happened_at >= '0001-01-01 00:00Z' AND happened_at < '10000-01-01 00:00Z'
        THEN to_char(happened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        ELSE happened_at::text
    END
FROM (
    SELECT *, sum(bytes) OVER (ORDER BY turn, organization) AS bytes_so_far FROM candidates
) AS counted
WHERE bytes_so_far <= $4
ORDER BY turn, organization
LIMIT $7

-- name: remove_moved
DELETE FROM outbox WHERE position = ANY ($1::bigint[])

-- name: keep_refused
UPDATE outbox SET refused_at = now(), reason = given.reason
FROM unnest($1::bigint[], $2::text[]) AS given (position, reason)
WHERE outbox.position = given.position

-- name: outbox_entries
SELECT id, organization, event, (extract(epoch FROM emitted_at) * 1000)::bigint, reason
FROM outbox
WHERE (NOT :refused OR refused_at IS NOT NULL)
    AND (:organization::text IS NULL OR organization = :organization)
ORDER BY position
LIMIT :limit

-- name: retry_refused
UPDATE outbox SET refused_at = NULL, reason = NULL
WHERE refused_at IS NOT NULL AND (:client_id::text IS NULL OR id = :client_id)
    AND (:organization::text IS NULL OR organization = :organization)

-- name: remove_refused
DELETE FROM outbox
WHERE position = ANY (ARRAY(
    SELECT position FROM outbox WHERE refused_at < now() - make_interval(days => $1)
    ORDER BY refused_at LIMIT 1000))

-- name: outbox_figures
SELECT count(*) FILTER (WHERE refused_at IS NULL),
    coalesce(extract(epoch FROM
        clock_timestamp() - min(emitted_at) FILTER (WHERE refused_at IS NULL))::float8, 0),
    count(*) FILTER (WHERE refused_at IS NOT NULL)
FROM outbox

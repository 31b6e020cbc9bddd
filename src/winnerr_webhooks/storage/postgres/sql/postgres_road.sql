-- The verbs of an event's road. Each takes a whole batch, with its columns bound as arrays.
--
-- The statistics of `pending` are always out of date. A planner that thinks the table empty would
-- read all of it, and search the batch for each row. `CROSS JOIN LATERAL (… OFFSET 0)` leaves only
-- one plan: an index look-up for each row of the batch. A change then finds its rows by their ctid
-- (ctid), and skips a row that another transaction has changed meanwhile.

-- name: accepting
-- For `accept` and `accept_free`: which webhooks want which events, what was accepted before, and
-- all rows that follow. It waits for a client id that another node is accepting at this moment. No
-- two parts are joined, because that would be a loop over a batch within a loop over a batch: each
-- row carries all that is needed later.
-- $1..$7 id, organization, name, all patterns that match the name (with spaces between them), client
-- id, fingerprint, body; $8 now; $9 end of the leases (NULL: all deliveries are free); $10 webhooks
-- whose deliveries are free; $11 how far back client ids are remembered; $12 the filters by which the
-- node has judged, by webhook; $13 those of them that an event matches, as keys "ordinal id".
-- If one of the filters is another by now, nothing is written: the node judges again (`unjudged`).
WITH given AS MATERIALIZED (
    SELECT generate_subscripts($1::text[], 1) AS ordinal, unnest($1::text[]) AS id,
        unnest($2::text[]) AS organization, unnest($3::text[]) AS name,
        unnest($4::text[]) AS patterns, unnest($5::text[]) AS client_id,
        unnest($6::bytea[]) AS fingerprint, unnest($7::bytea[]) AS body
),
wanted AS MATERIALIZED (
    SELECT given.ordinal, given.id, given.organization, given.name, given.client_id,
        webhook.id AS webhook_id, webhook.suffix, webhook.version, webhook.epoch,
        webhook.status = 'active' AS active,
        $9::bigint IS NOT NULL AND webhook.rate_limit IS NULL AND webhook.order_by IS NULL
            AND webhook.id <> ALL ($10::text[]) AS leased,
        CASE WHEN webhook.order_by IS NOT NULL THEN {order_key} END AS order_key,
        webhook.filter,
        $12::jsonb ->> webhook.id IS NOT DISTINCT FROM webhook.filter AS judged
    FROM given
    CROSS JOIN LATERAL (
        SELECT DISTINCT webhook_id FROM subscription
        WHERE subscription.organization = given.organization
            AND subscription.event = ANY (string_to_array(given.patterns, ' '))
    ) AS one
    CROSS JOIN LATERAL (SELECT * FROM webhook WHERE id = one.webhook_id OFFSET 0) AS webhook
    WHERE webhook.status <> 'deleted'
        AND (
            webhook.filter IS NULL
            OR $12::jsonb ->> webhook.id IS DISTINCT FROM webhook.filter
            OR $13::jsonb ? (given.ordinal || ' ' || webhook.id))
),
unjudged AS MATERIALIZED (
    SELECT DISTINCT ON (webhook_id) ordinal, webhook_id, filter FROM wanted WHERE NOT judged
),
judged AS MATERIALIZED (
    SELECT * FROM given WHERE NOT EXISTS (SELECT FROM unjudged)
),
counts AS MATERIALIZED (
    SELECT jsonb_object_agg(ordinal::text, deliveries) AS by_ordinal
    FROM (
        SELECT ordinal, count(*) AS deliveries FROM wanted
        WHERE active AND client_id IS NOT NULL GROUP BY ordinal
    ) AS counted
),
remembered AS (
    INSERT INTO idempotency AS known (organization, client_id, fingerprint, event_id, deliveries, at)
    SELECT organization, client_id, fingerprint, id,
        coalesce(((SELECT by_ordinal FROM counts) ->> ordinal::text)::int, 0), $8
    FROM judged WHERE client_id IS NOT NULL ORDER BY organization, client_id
    ON CONFLICT (organization, client_id) DO UPDATE SET
        fingerprint = excluded.fingerprint, event_id = excluded.event_id,
        deliveries = excluded.deliveries, at = excluded.at
        WHERE known.at < $11
    RETURNING event_id
),
events AS (
    INSERT INTO event (id, organization, name, client_id, accepted_at, body)
    SELECT id, organization, name, client_id, $8, body FROM judged
    WHERE client_id IS NULL OR id IN (SELECT event_id FROM remembered)
),
new_deliveries AS MATERIALIZED (
    SELECT ordinal, 'dlv_' || substr(id, 5) || suffix AS id, webhook_id, version, leased, active,
        organization, name, epoch, order_key
    FROM wanted
    WHERE (client_id IS NULL OR id IN (SELECT event_id FROM remembered))
        AND NOT EXISTS (SELECT FROM unjudged)
),
waiting AS (
    INSERT INTO pending ({pending_row}, order_key, order_number)
    SELECT webhook_id, id, organization, name, false, epoch, $8, $8,
        CASE WHEN leased THEN $9 END, leased::int, leased::int, 0, 0, $8, 0, false, order_key,
        CASE WHEN order_key IS NOT NULL THEN (SELECT nextval('acceptance')) END
    FROM new_deliveries WHERE active
),
cancelled AS (
    INSERT INTO delivery ({settled_row})
    SELECT organization, id, webhook_id, name, 'cancelled', false, 0, 0, $8, $8
    FROM new_deliveries WHERE NOT active
)

-- name: order_key
-- As `domain.event_order` makes it. PostgreSQL reads no JSON text with an escaped NUL, nor with half of a
-- pair of surrogates.
CASE WHEN webhook.order_by = '' THEN '' ELSE md5(coalesce(
    replace(convert_from(given.body, 'UTF8'), '\u', '/')::json
        #>> string_to_array(webhook.order_by, '.'), '')) END

-- name: accept
-- One statement, and a row for each event that was stored and for each of its deliveries. A row with
-- a negative ordinal has a filter that is to be judged by.
{accepting}
SELECT ordinal, NULL AS id, NULL AS webhook_id, NULL::int AS version, false AS leased, false AS active
FROM judged WHERE client_id IS NULL OR id IN (SELECT event_id FROM remembered)
UNION ALL
SELECT ordinal, id, webhook_id, version, leased, active FROM new_deliveries
UNION ALL
SELECT -ordinal, filter, webhook_id, NULL, false, false FROM unjudged

-- name: accept_free
-- The same when all deliveries are free: a row for each event that was stored, with the numbers of
-- its deliveries, and one row with the webhooks whose lanes are due.
{accepting}
SELECT ordinal, sum(active) AS active, sum(cancelled) AS cancelled, NULL::text[] AS webhooks
FROM (
    SELECT ordinal, 0 AS active, 0 AS cancelled
    FROM judged WHERE client_id IS NULL OR id IN (SELECT event_id FROM remembered)
    UNION ALL
    SELECT ordinal, active::int, (NOT active)::int FROM new_deliveries
) AS stored
GROUP BY ordinal
UNION ALL
SELECT 0, 0, 0, array_agg(DISTINCT webhook_id) FROM new_deliveries WHERE active
UNION ALL
SELECT -ordinal, 0, 0, ARRAY[webhook_id, filter] FROM unjudged

-- name: fan_out
-- How many webhooks want the events of each (organization, patterns), but deleted ones.
SELECT given.ordinal, (
    SELECT count(DISTINCT webhook.id)
    FROM subscription JOIN webhook ON webhook.id = subscription.webhook_id
    WHERE subscription.organization = given.organization
        AND subscription.event = ANY (string_to_array(given.patterns, ' '))
        AND webhook.status <> 'deleted')
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (organization, patterns, ordinal)

-- name: first_answers
SELECT given.ordinal, idempotency.fingerprint, idempotency.event_id, idempotency.deliveries
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (organization, client_id, ordinal)
JOIN idempotency
    ON idempotency.organization = given.organization AND idempotency.client_id = given.client_id

-- name: accepted_since
-- Of these events, those that are on disk.
SELECT id FROM event WHERE id = ANY ($1::text[]) AND id >= $2 AND id <= $3

-- name: write_to_the_log
-- The least that a transaction can write (PostgreSQL's manual, table 9.97). It is never read.
SELECT pg_logical_emit_message(true, 'winnerr_webhooks', '')

-- name: deliveries_of_events
-- The deliveries that events were accepted with, for the answer to a lost commit. Those of a
-- webhook that was deleted since are cancelled.
SELECT given.ordinal, pending.delivery_id, pending.webhook_id, webhook.version,
    CASE WHEN webhook.rate_limit IS NULL AND webhook.order_by IS NULL THEN pending.lease ELSE 0 END
        AS lease
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (organization, prefix, ordinal)
CROSS JOIN LATERAL (
    SELECT id, version, rate_limit, order_by FROM webhook
    WHERE webhook.organization = given.organization AND webhook.status <> 'deleted'
    OFFSET 0
) AS webhook
CROSS JOIN LATERAL (
    SELECT * FROM pending
    WHERE pending.webhook_id = webhook.id AND pending.delivery_id >= given.prefix || '0000'
        AND pending.delivery_id <= given.prefix || 'zzzz'
    OFFSET 0
) AS pending
UNION ALL
SELECT given.ordinal, delivery.id, delivery.webhook_id, 0, 0
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (organization, prefix, ordinal)
JOIN delivery ON delivery.organization = given.organization
    AND delivery.id >= given.prefix || '0000' AND delivery.id <= given.prefix || 'zzzz'
WHERE delivery.status <> 'cancelled' OR delivery.attempts > 0

-- name: end_backend
-- The process that served a lost connection may still be working: end it, or see that it is gone.
-- It is found even without the right to end it: then it is not gone.
-- $1, $2 its number, and when it began
SELECT CASE WHEN pg_has_role(usesysid, 'USAGE') THEN pg_terminate_backend(pid) END
FROM pg_stat_activity
WHERE pid = $1 AND (backend_start = $2) IS NOT FALSE

-- name: lower_lanes
-- A lane is only a hint, so its commit does not wait for the disk.
WITH quickly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO lane AS known (webhook_id, next_due_at)
SELECT given.webhook_id, given.due_at
FROM quickly, unnest($1::text[], $2::bigint[]) AS given (webhook_id, due_at)
ORDER BY given.webhook_id
ON CONFLICT (webhook_id) DO UPDATE SET next_due_at = excluded.next_due_at
WHERE excluded.next_due_at < known.next_due_at

-- name: attempt_arrays
$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[],
$9::bigint[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[],
$15::boolean[], $16::int[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
$22::boolean[], $23::text[], $24::bytea[], $25::bytea[], $26::bytea[]

-- name: settle_delivered
-- All of the common case: an automatic attempt or a test succeeded under the current lease, and no
-- replay was asked for meanwhile. All others stay untouched, for `settling`. Rows are locked in the
-- order of the batch, which is sorted.
-- $1..$22 the columns of attempts that differ between successes; $23 the leases; $24,
-- $25 start and class of the health figures; $26 this node; $27 now
WITH given AS MATERIALIZED (
    SELECT generate_subscripts($1::text[], 1) AS ordinal, unnest($23::int[]) AS fence,
        unnest($24::bigint[]) AS starts_at, unnest($25::int[]) AS duration_class,
        unnest($1::text[]) AS id, unnest($2::text[]) AS organization,
        unnest($3::text[]) AS webhook_id, unnest($4::text[]) AS delivery_id,
        unnest($5::text[]) AS event, unnest($6::int[]) AS attempt, unnest($7::text[]) AS trigger,
        unnest($8::bigint[]) AS started_at, unnest($9::float8[]) AS duration_ms,
        unnest($10::float8[]) AS dns_ms, unnest($11::float8[]) AS connect_ms,
        unnest($12::float8[]) AS tls_ms, unnest($13::float8[]) AS first_byte_ms,
        unnest($14::boolean[]) AS reconnected, unnest($15::int[]) AS status,
        unnest($16::text[]) AS reason, unnest($17::text[]) AS error_phase,
        unnest($18::boolean[]) AS truncated, unnest($19::text[]) AS url,
        unnest($20::bytea[]) AS request_head, unnest($21::bytea[]) AS response_head,
        unnest($22::bytea[]) AS response_body
),
found AS MATERIALIZED (
    SELECT waiting.at, given.ordinal, given.starts_at, given.duration_class, given.fence
    FROM given
    CROSS JOIN LATERAL (
        SELECT ctid AS at FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.delivery_id
            AND pending.lease = given.fence AND NOT pending.finished AND pending.replay = 0
        OFFSET 0
    ) AS waiting
),
gone AS (
    -- The condition is repeated on the row itself. When the row was changed meanwhile, PostgreSQL
    -- checks this again, but not its ctid (minor versions before November 2025).
    DELETE FROM pending USING found AS given
    WHERE pending.ctid = given.at
        AND pending.lease = given.fence AND NOT pending.finished AND pending.replay = 0
    RETURNING given.ordinal, pending.webhook_id, pending.delivery_id, pending.organization,
        pending.event, pending.test, pending.attempts, pending.lease, pending.accepted_at,
        given.starts_at, given.duration_class
),
outcomes AS (
    INSERT INTO delivery ({settled_row})
    SELECT organization, delivery_id, webhook_id, event, 'delivered', test, attempts + 1, lease,
        accepted_at, $27
    FROM gone
),
attempts AS (
    INSERT INTO attempt ({attempt_columns})
    SELECT id, organization, webhook_id, delivery_id, event, attempt, trigger, 'succeeded',
        started_at, duration_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, reconnected, status,
        reason, NULL, '', '', error_phase, truncated, url, request_head, response_head,
        response_body
    FROM given WHERE ordinal = ANY (ARRAY(SELECT ordinal FROM gone))
),
figures AS (
    INSERT INTO health AS known
        (webhook_id, starts_at, duration_class, node, succeeded, failed, exhausted)
    SELECT webhook_id, starts_at, duration_class, $26, count(*), 0, 0
    FROM gone WHERE NOT test GROUP BY webhook_id, starts_at, duration_class
    ON CONFLICT (webhook_id, starts_at, duration_class, node) DO UPDATE SET
        succeeded = known.succeeded + excluded.succeeded
),
calm AS (
    -- By an array, so that rows are found by the index, and locked in its order.
    DELETE FROM run
    WHERE webhook_id = ANY (ARRAY(SELECT webhook_id FROM gone WHERE NOT test))
)
SELECT ordinal FROM gone

-- name: put_attempts
INSERT INTO attempt ({attempt_columns})
SELECT * FROM unnest({attempt_arrays})
ON CONFLICT (organization, id) DO NOTHING
RETURNING id

-- name: pending_columns
pending.webhook_id, pending.delivery_id, pending.organization, pending.event, pending.test::int,
pending.epoch, pending.accepted_at, pending.due_at, pending.lease_until, pending.lease,
pending.idle_leases, pending.attempts, pending.retries_used, pending.retry_at, pending.replay,
pending.finished::int, pending.job, pending.order_key, pending.order_number

-- name: lock_pending
SELECT {pending_columns}
-- in the order of the batch, which is sorted
FROM unnest($1::text[], $2::text[]) AS given (webhook_id, delivery_id)
CROSS JOIN LATERAL (
    SELECT * FROM pending
    WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.delivery_id
    FOR UPDATE
) AS pending

-- name: deliveries_of
SELECT delivery.organization, delivery.id, delivery.webhook_id, delivery.event, delivery.status,
    delivery.test::int, delivery.attempts, delivery.lease, delivery.accepted_at, delivery.settled_at
FROM unnest($1::text[], $2::text[]) AS given (organization, id)
CROSS JOIN LATERAL (
    SELECT * FROM delivery
    WHERE delivery.organization = given.organization AND delivery.id = given.id
        AND delivery.id >= :first AND delivery.id <= :last
    OFFSET 0
) AS delivery

-- name: lock_streaks
SELECT webhook_id FROM run WHERE webhook_id {any:webhooks} ORDER BY webhook_id FOR UPDATE

-- name: end_streaks
DELETE FROM run WHERE webhook_id {any:webhooks}

-- name: streaks_of
SELECT webhook.id, webhook.organization, webhook.status, webhook.version, webhook.epoch,
    run.failing_since, coalesce(run.failures, 0)
FROM webhook LEFT JOIN run ON run.webhook_id = webhook.id
WHERE webhook.id {any:webhooks}

-- name: put_streaks
INSERT INTO run (webhook_id, failing_since, failures)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS given (webhook_id, since, failures)
ORDER BY webhook_id
ON CONFLICT (webhook_id) DO UPDATE SET
    failing_since = excluded.failing_since, failures = excluded.failures

-- name: put_deliveries
INSERT INTO delivery ({settled_row})
SELECT organization, id, webhook_id, event, status, test::boolean, attempts, lease, accepted_at,
    settled_at
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[],
    $9::bigint[], $10::bigint[])
    AS given ({settled_row})
ORDER BY organization, id
ON CONFLICT (organization, id) DO UPDATE SET
    status = excluded.status, attempts = excluded.attempts, lease = excluded.lease,
    settled_at = excluded.settled_at

-- name: drop_pending
-- Rows that were locked.
DELETE FROM pending
WHERE ctid = ANY (ARRAY(
    SELECT pending.at
    FROM unnest($1::text[], $2::text[]) AS given (webhook_id, delivery_id)
    CROSS JOIN LATERAL (
        SELECT ctid AS at FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.delivery_id
        OFFSET 0
    ) AS pending))

-- name: put_pending
-- Write back rows that were locked.
WITH given AS MATERIALIZED (
    SELECT given.*, waiting.at
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::int[], $11::int[], $12::int[], $13::int[], $14::bigint[],
        $15::int[], $16::int[], $17::text[], $18::text[], $19::bigint[])
        AS given ({pending_row}, {more_pending})
    CROSS JOIN LATERAL (
        SELECT ctid AS at FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.delivery_id
        OFFSET 0
    ) AS waiting
)
UPDATE pending SET
    epoch = given.epoch, due_at = given.due_at, lease_until = given.lease_until,
    lease = given.lease, idle_leases = given.idle_leases, attempts = given.attempts,
    retries_used = given.retries_used, retry_at = given.retry_at, replay = given.replay,
    finished = given.finished::boolean, job = given.job
FROM given WHERE pending.ctid = given.at

-- name: put_health
INSERT INTO health AS known
    (webhook_id, starts_at, duration_class, node, succeeded, failed, exhausted)
SELECT webhook_id, starts_at, duration_class, :node, succeeded, failed, exhausted
FROM unnest($1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS given (webhook_id, starts_at, duration_class, succeeded, failed, exhausted)
ON CONFLICT (webhook_id, starts_at, duration_class, node) DO UPDATE SET
    succeeded = known.succeeded + excluded.succeeded, failed = known.failed + excluded.failed,
    exhausted = known.exhausted + excluded.exhausted

-- name: news
-- What waits, in one look for all loops of a node.
SELECT EXISTS (SELECT FROM lane WHERE next_due_at <= :now::bigint),
    EXISTS (SELECT FROM job)
        OR EXISTS (SELECT FROM rehearsal WHERE ended_at IS NULL AND lease_until < :now),
    EXISTS (SELECT FROM outbox WHERE refused_at IS NULL),
    (SELECT value FROM meta WHERE name = 'change_mark')

-- name: due_lanes
-- A page of lanes that are due, longest due first, and the first that is not due yet.
-- $1 now; $2, $3 due time and webhook of the lane before the page; $4 limit
SELECT due.webhook_id, coalesce(webhook.organization, ''), due.next_due_at
FROM (
    (SELECT webhook_id, next_due_at FROM lane
        WHERE next_due_at <= $1 AND next_due_at >= $2 AND (next_due_at, webhook_id) > ($2, $3)
        ORDER BY next_due_at, webhook_id LIMIT $4)
    UNION ALL
    (SELECT webhook_id, next_due_at FROM lane
        WHERE next_due_at > $1 ORDER BY next_due_at LIMIT 1)
) AS due
LEFT JOIN LATERAL (
    SELECT organization FROM webhook WHERE webhook.id = due.webhook_id OFFSET 0
) AS webhook ON true
ORDER BY due.next_due_at, due.webhook_id

-- name: lock_lanes
-- The lanes of a claim; skips a lane that another node has locked. One that had to wait for its turn
-- may be later than what it has due.
SELECT lane.webhook_id, coalesce(webhook.version, 0), coalesce(webhook.epoch, 0),
    coalesce(webhook.status, 'deleted'),
    CASE WHEN lane_turn.webhook_id IS NULL THEN lane.next_due_at ELSE 0 END, webhook.rate_limit,
    webhook.order_by IS NOT NULL, lane_turn.webhook_id IS NOT NULL
FROM lane LEFT JOIN webhook ON webhook.id = lane.webhook_id
LEFT JOIN lane_turn ON lane_turn.webhook_id = lane.webhook_id
WHERE lane.webhook_id = ANY ($1::text[])
ORDER BY lane.webhook_id
FOR UPDATE OF lane SKIP LOCKED

-- name: lock_turns
SELECT webhook_id, next_turn_at FROM lane_turn
WHERE webhook_id {any:webhooks}
ORDER BY webhook_id
FOR UPDATE

-- name: key_heads
-- The first deliveries of each key (webhook, key, epoch), at most :most of each, with the lengths of
-- their bodies; none of a key of which one is leased.
SELECT {pending_columns}, coalesce(octet_length(event.body), -1)
FROM unnest($1::text[], $2::text[], $3::int[]) AS given (webhook_id, order_key, epoch)
CROSS JOIN LATERAL (
    SELECT * FROM pending
    WHERE pending.webhook_id = given.webhook_id AND pending.order_key = given.order_key
        AND NOT pending.finished AND pending.epoch = given.epoch
    ORDER BY pending.order_number, pending.delivery_id
    LIMIT :most
    FOR UPDATE
) AS pending
LEFT JOIN LATERAL (
    SELECT body FROM event WHERE event.id = 'evt_' || substr(pending.delivery_id, 5, 26) OFFSET 0
) AS event ON true
WHERE NOT EXISTS (
    SELECT FROM pending AS held
    WHERE held.webhook_id = given.webhook_id AND held.order_key = given.order_key
        AND NOT held.finished AND held.lease_until IS NOT NULL
        AND held.epoch = given.epoch
    OFFSET 0)

-- name: wake_keys
-- The first delivery of each key (webhook, key, epoch), if another one has held it until now.
WITH first AS MATERIALIZED (
    SELECT pending.webhook_id, pending.delivery_id
    FROM unnest($1::text[], $2::text[], $3::int[]) AS given (webhook_id, order_key, epoch)
    CROSS JOIN LATERAL (
        SELECT webhook_id, delivery_id FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.order_key = given.order_key
            AND NOT pending.finished AND pending.epoch = given.epoch
        ORDER BY pending.order_number, pending.delivery_id
        LIMIT 1
    ) AS pending
)
UPDATE pending SET due_at = CASE
    WHEN pending.replay > 0 THEN :now::bigint ELSE greatest(:now, coalesce(pending.retry_at, 0)) END
WHERE ctid = ANY (ARRAY(
    SELECT waiting.at FROM first CROSS JOIN LATERAL (
        SELECT ctid AS at FROM pending
        WHERE pending.webhook_id = first.webhook_id AND pending.delivery_id = first.delivery_id
            AND pending.lease_until IS NULL AND pending.due_at = {parked}
        FOR UPDATE
    ) AS waiting))

-- name: set_due
-- Rows that are locked.
WITH given AS MATERIALIZED (
    SELECT waiting.at, given.due_at
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS given (webhook_id, delivery_id, due_at)
    CROSS JOIN LATERAL (
        SELECT ctid AS at FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.delivery_id
        OFFSET 0
    ) AS waiting
)
UPDATE pending SET due_at = given.due_at FROM given WHERE pending.ctid = given.at

-- name: put_turns
INSERT INTO lane_turn (webhook_id, next_turn_at)
SELECT * FROM unnest($1::text[], $2::float8[]) AS given (webhook_id, next_turn_at)
ORDER BY webhook_id
ON CONFLICT (webhook_id) DO UPDATE SET next_turn_at = excluded.next_turn_at

-- name: hold_turns
-- Of webhooks with a rate limit whose receivers ask for a pause.
WITH held AS MATERIALIZED (
    SELECT lane_turn.webhook_id, given.until
    FROM unnest($1::text[], $2::float8[]) AS given (webhook_id, until)
    CROSS JOIN LATERAL (
        SELECT * FROM lane_turn WHERE lane_turn.webhook_id = given.webhook_id
            AND lane_turn.next_turn_at < given.until
        FOR UPDATE
    ) AS lane_turn
)
UPDATE lane_turn SET next_turn_at = held.until
FROM held WHERE lane_turn.webhook_id = held.webhook_id

-- name: due_pending
-- The first due deliveries of each lane, and how long their bodies are. No free row is due before
-- its lane says so. Reading the index from there skips entries that earlier claims have left and no
-- vacuum has removed yet.
-- $1, $2, $3, $4 webhook, epoch, since when its lane is due, how many at most; $5 now
SELECT {pending_columns}, coalesce(octet_length(event.body), -1), due.ordinal
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[]) WITH ORDINALITY
    AS due (webhook_id, epoch, since, most, ordinal)
CROSS JOIN LATERAL (
    SELECT * FROM pending
    WHERE pending.webhook_id = due.webhook_id AND pending.epoch = due.epoch
        AND pending.lease_until IS NULL
        AND pending.due_at >= due.since AND pending.due_at <= $5
    ORDER BY pending.due_at
    LIMIT due.most
    FOR UPDATE SKIP LOCKED
) AS pending
LEFT JOIN LATERAL (
    SELECT body FROM event WHERE event.id = 'evt_' || substr(pending.delivery_id, 5, 26) OFFSET 0
) AS event ON true

-- name: lease
-- Leases, and the bodies that go with them.
-- $1, $2 webhook, delivery; $3 until when; $4, $5 first and last event
WITH taken AS (
    UPDATE pending SET
        lease = pending.lease + 1, idle_leases = pending.idle_leases + 1, lease_until = $3
    WHERE ctid = ANY (ARRAY(
        SELECT waiting.at
        FROM unnest($1::text[], $2::text[]) AS given (webhook_id, delivery_id)
        CROSS JOIN LATERAL (
            SELECT ctid AS at FROM pending
            WHERE pending.webhook_id = given.webhook_id
                AND pending.delivery_id = given.delivery_id
            OFFSET 0
        ) AS waiting))
    RETURNING pending.delivery_id
)
SELECT taken.delivery_id, event.body
FROM taken
CROSS JOIN LATERAL (
    SELECT body FROM event
    WHERE event.id = 'evt_' || substr(taken.delivery_id, 5, 26)
        AND event.id >= $4 AND event.id <= $5
    OFFSET 0
) AS event

-- name: first_free
-- When a webhook's first free work is due, from `since` on: of its epoch, or a test.
(SELECT min(due_at) FROM (
    (SELECT due_at FROM pending
        WHERE pending.webhook_id = lane.webhook_id AND pending.epoch = lane.epoch
            AND pending.lease_until IS NULL AND pending.due_at >= lane.since
        ORDER BY due_at LIMIT 1)
    UNION ALL
    (SELECT due_at FROM pending
        WHERE pending.webhook_id = lane.webhook_id AND pending.epoch = -1
            AND pending.lease_until IS NULL AND pending.due_at >= lane.since
        ORDER BY due_at LIMIT 1)
) AS free)

-- name: advance_lanes
-- Move lanes that are locked to their first free work, but no earlier than an instant that is given;
-- or remove them if there is none.
WITH given AS MATERIALIZED (
    SELECT lane.webhook_id, lane.earliest, {first_free} AS next_due_at
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
        AS lane (webhook_id, epoch, since, earliest)
),
idle AS (
    DELETE FROM lane USING given
    WHERE lane.webhook_id = given.webhook_id AND given.next_due_at IS NULL
)
UPDATE lane SET next_due_at = greatest(given.next_due_at, given.earliest)
FROM given
WHERE lane.webhook_id = given.webhook_id AND given.next_due_at IS NOT NULL

-- name: release
-- The webhooks of what was released. A lease that a crash brings back runs out by itself, so the
-- commit does not wait for the disk.
WITH quickly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
released AS (
    UPDATE pending SET
        lease_until = NULL, idle_leases = greatest(pending.idle_leases - 1, 0), due_at = $4
    WHERE ctid = ANY (ARRAY(
        SELECT waiting.at
        FROM quickly,
            unnest($1::text[], $2::text[], $3::int[]) AS given (webhook_id, delivery_id, lease)
        CROSS JOIN LATERAL (
            SELECT ctid AS at FROM pending
            WHERE pending.webhook_id = given.webhook_id
                AND pending.delivery_id = given.delivery_id
                AND pending.lease = given.lease AND pending.lease_until IS NOT NULL
            FOR UPDATE
        ) AS waiting))
    RETURNING pending.webhook_id
)
SELECT DISTINCT webhook_id FROM released

-- name: turn_to_repair
-- Only one node at a time repairs: another node's repair, not long ago, is as good. A time in the
-- future was written by a clock that has been set back since.
UPDATE meta SET value = $1
WHERE name = 'repaired_at' AND (value <= $2 OR value = $3 OR value > $1 + ($1 - $2))

-- name: free_expired
UPDATE pending SET lease_until = NULL
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM pending WHERE lease_until < $1
    ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING webhook_id, due_at

-- name: lost_lanes
-- Webhooks with free work whose lane is missing or too late, and when that work is due.
WITH RECURSIVE busy (webhook_id) AS (
    (SELECT webhook_id FROM pending ORDER BY webhook_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT pending.webhook_id FROM pending WHERE pending.webhook_id > busy.webhook_id
        ORDER BY pending.webhook_id LIMIT 1)
    FROM busy WHERE busy.webhook_id IS NOT NULL
)
SELECT lane.webhook_id, lane.first
FROM (
    SELECT lane.webhook_id, lane.says, {first_free} AS first
    FROM (
        SELECT webhook.id AS webhook_id, webhook.epoch, lane.next_due_at AS says,
            0::bigint AS since
        FROM busy
        JOIN webhook ON webhook.id = busy.webhook_id AND webhook.status <> 'deleted'
        LEFT JOIN lane ON lane.webhook_id = webhook.id
        LEFT JOIN lane_turn ON lane_turn.webhook_id = webhook.id
        -- A lane may say less than it has due while it waits for its turn.
        WHERE NOT coalesce(
            webhook.rate_limit IS NOT NULL AND lane.next_due_at <= lane_turn.next_turn_at, false)
    ) AS lane
) AS lane
WHERE lane.first IS NOT NULL AND (lane.says IS NULL OR lane.says > lane.first)

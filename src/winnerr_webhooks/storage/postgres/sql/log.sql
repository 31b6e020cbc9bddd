-- Looking back. What is named by an id is looked for in one partition: a LATERAL with LIMIT 1 is
-- planned as one look into an index for each row, whatever the statistics say, and passes by the
-- partitions that cannot hold that id; bounds of the ids (first, last) keep those out of the plan.

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
CASE WHEN {stopped} THEN NULL ELSE pending.due_at END

-- name: attempt_event
-- The event that an attempt sent.
'evt_' || substr(attempt.delivery_id, 5, 26)

-- name: attempt_page
-- $1 organization; $2 ids; $3 whole; $4, $5 first and last of the ids; $6, $7 of the deliveries';
-- $8 with the bodies sent
SELECT
    attempt.id, attempt.organization, attempt.delivery_id, {attempt_event} AS event_id,
    attempt.webhook_id, attempt.event, attempt.attempt, attempt.trigger, attempt.outcome,
    attempt.started_at, attempt.duration_ms, attempt.dns_ms, attempt.connect_ms, attempt.tls_ms,
    attempt.first_byte_ms, attempt.reconnected, attempt.url, attempt.request_head,
    coalesce(event.body, '') AS request_body, attempt.status, attempt.reason,
    CASE
        WHEN $3::boolean THEN attempt.response_head
        ELSE substr(attempt.response_head, 1, 8192)
    END AS response_head,
    CASE
        WHEN $3::boolean THEN attempt.response_body
        WHEN attempt.outcome = 'failed' THEN substr(attempt.response_body, 1, 1024)
        ELSE ''
    END AS response_body,
    attempt.truncated, attempt.error_kind, attempt.error_message, attempt.error_code,
    attempt.error_phase, {delivery_status} AS delivery_status,
    {next_attempt_at} AS next_attempt_at
FROM unnest($2::text[]) WITH ORDINALITY AS given (id, place)
CROSS JOIN LATERAL (
    SELECT * FROM attempt
    WHERE attempt.organization = $1 AND attempt.id = given.id
        AND attempt.id >= $4 AND attempt.id <= $5
    LIMIT 1
) AS attempt
LEFT JOIN LATERAL (
    SELECT body FROM event
    WHERE $8::boolean AND event.id = {attempt_event}
        AND event.id >= 'evt_' || substr($6::text, 5, 26)
        AND event.id <= 'evt_' || substr($7::text, 5, 26)
    LIMIT 1
) AS event ON true
LEFT JOIN webhook ON webhook.id = attempt.webhook_id
LEFT JOIN LATERAL (
    SELECT * FROM pending
    WHERE pending.webhook_id = attempt.webhook_id AND pending.delivery_id = attempt.delivery_id
    LIMIT 1
) AS pending ON true
LEFT JOIN LATERAL (
    SELECT status FROM delivery
    WHERE delivery.organization = $1 AND delivery.id = attempt.delivery_id
        AND delivery.id >= $6 AND delivery.id <= $7
    LIMIT 1
) AS delivery ON true
ORDER BY given.place

-- name: walk_organization
-- A run of attempts, newest first. $1 organization; $2 floor; $3 before; $4 how many
SELECT id, delivery_id FROM attempt
WHERE organization = $1 AND id >= $2 AND id < $3
ORDER BY id DESC LIMIT $4

-- name: walk_failed
SELECT id, delivery_id FROM attempt
WHERE organization = $1 AND outcome = 'failed' AND id >= $2 AND id < $3
ORDER BY id DESC LIMIT $4

-- name: walk_webhook
-- $1 a webhook; the organization is left out, or the planner might think of its index instead.
SELECT id, delivery_id FROM attempt
WHERE webhook_id = $1 AND id >= $2 AND id < $3
ORDER BY id DESC LIMIT $4

-- name: walk_event
-- $1 an event: the attempts of its deliveries, few enough to sort.
SELECT id, delivery_id FROM (
    SELECT id, delivery_id FROM attempt
    WHERE delivery_id >= 'dlv_' || substr($1::text, 5) || '0000'
        AND delivery_id <= 'dlv_' || substr($1::text, 5) || 'zzzz'
        AND id >= $2 AND id < $3
    OFFSET 0
) AS attempt
ORDER BY id DESC LIMIT $4

-- name: matching_attempts
-- The first so many of one step's attempts that match.
-- $1 organization; $2 ids; $3, $4 their first and last; $5, $6 first and last of the deliveries;
-- $7 webhook; $8 event; $9 outcome; $10, $11 status from, to; $12 since; $13 until; $14 an id;
-- $15 parts of a text in lower case, $16 the same as parts of `searchable` bytes; $17 how many
SELECT attempt.id, attempt.delivery_id
FROM unnest($2::text[]) WITH ORDINALITY AS given (id, place)
CROSS JOIN LATERAL (
    SELECT * FROM attempt
    WHERE attempt.organization = $1 AND attempt.id = given.id
        AND attempt.id >= $3 AND attempt.id <= $4
    LIMIT 1
) AS attempt
WHERE ($7::text IS NULL OR attempt.webhook_id = $7)
    AND ($8::text IS NULL OR attempt.event = $8)
    AND ($9::text IS NULL OR attempt.outcome = $9)
    AND ($10::int IS NULL OR attempt.status BETWEEN $10 AND $11::int)
    AND ($12::bigint IS NULL OR attempt.started_at >= $12)
    AND ($13::bigint IS NULL OR attempt.started_at < $13)
    AND ($14::text IS NULL
        OR $14 IN (attempt.id, attempt.delivery_id, {attempt_event}, attempt.webhook_id))
    AND ($15::text[] IS NULL
        OR EXISTS (
            SELECT 1 FROM unnest($15::text[]) AS part
            WHERE strpos(attempt.id, part) > 0 OR strpos(attempt.delivery_id, part) > 0
                OR strpos({attempt_event}, part) > 0 OR strpos(attempt.webhook_id, part) > 0
                OR strpos(lower(attempt.error_message COLLATE "C"), part) > 0)
        OR EXISTS (
            SELECT 1
            FROM (
                SELECT {searchable} AS text FROM (SELECT attempt.response_body) AS one (body)
                OFFSET 0
            ) AS searchable
            CROSS JOIN unnest($16::text[]) AS part
            WHERE strpos(searchable.text, part) > 0)
        OR EXISTS (
            SELECT 1
            FROM (
                SELECT {searchable} AS text FROM event
                WHERE event.id = {attempt_event}
                    AND event.id >= 'evt_' || substr($5::text, 5, 26)
                    AND event.id <= 'evt_' || substr($6::text, 5, 26)
                OFFSET 0
            ) AS searchable
            CROSS JOIN unnest($16::text[]) AS part
            WHERE strpos(searchable.text, part) > 0))
ORDER BY given.place
LIMIT $17

-- name: searchable
-- Any bytes as a text, a character each, in lower case as far as they are ASCII. No text holds a
-- NUL, so U+FFFD stands in for it, as in what is searched for.
lower(
    convert_from(
        CASE
            WHEN position('\x00'::bytea IN body) = 0 THEN body
            -- A backslash is written as two: without them, \000 is a NUL and nothing else.
            ELSE decode(
                replace(
                    replace(encode(body, 'escape'), '\\', '\134'), '\000', '\357\277\275'),
                'escape')
        END,
        'LATIN1')
    COLLATE "C")

-- name: is_own_webhook
SELECT EXISTS (SELECT 1 FROM webhook WHERE id = $1 AND organization = $2)

-- name: delivery_of_attempt
SELECT delivery_id FROM attempt WHERE id = $1 AND organization = $2

-- name: attempts_of_delivery
-- By their numbers: the clocks of nodes differ. The organization is asked for outside, or the
-- planner might walk all of it. $1 delivery; $2 organization; $3 floor of the ids; $4 how many of
-- the newest
SELECT id, delivery_id FROM (
    SELECT id, delivery_id, organization, attempt, started_at FROM attempt
    WHERE delivery_id = $1 AND id >= $3
    ORDER BY attempt DESC, started_at DESC, id DESC
    OFFSET 0
    LIMIT $4
) AS attempt
WHERE organization = $2
ORDER BY attempt, started_at, id

-- name: step_deliveries
-- A run of settled deliveries, newest first. $1 organization; $2 floor; $3 before; $4 how many
SELECT id, webhook_id FROM delivery
WHERE organization = $1 AND id >= $2 AND id < $3
ORDER BY id DESC LIMIT $4

-- name: step_undelivered
-- The same of those that were not delivered; $5 a webhook or NULL
SELECT delivery.id, webhook.id
FROM webhook
CROSS JOIN LATERAL (
    SELECT id FROM delivery
    WHERE delivery.webhook_id = webhook.id AND delivery.status IN ('failed', 'cancelled')
        AND delivery.id >= $2 AND delivery.id < $3
    ORDER BY id DESC LIMIT $4
) AS delivery
WHERE webhook.organization = $1 AND ($5::text IS NULL OR webhook.id = $5)
ORDER BY delivery.id DESC LIMIT $4

-- name: step_pending
-- The same of those that wait; $5 a webhook or NULL
SELECT pending.delivery_id, webhook.id
FROM ({working_webhooks}) AS webhook
CROSS JOIN LATERAL (
    SELECT delivery_id FROM pending
    WHERE pending.webhook_id = webhook.id
        AND pending.delivery_id >= $2 AND pending.delivery_id < $3
    ORDER BY delivery_id DESC LIMIT $4
) AS pending
WHERE $5::text IS NULL OR webhook.id = $5
ORDER BY pending.delivery_id DESC LIMIT $4

-- name: matching_deliveries
-- The first so many of these deliveries that match, as they stand.
-- $1 organization; $2, $3 delivery, webhook; $4, $5 first and last of the ids; $6 webhook;
-- $7 event; $8 status; $9 since; $10 until; $11 how many
SELECT id, event, webhook_id, status, test, next_attempt_at
FROM (
    SELECT
        given.place, given.id, given.webhook_id, coalesce(pending.event, delivery.event) AS event,
        {delivery_status} AS status, coalesce(pending.test, delivery.test) AS test,
        {next_attempt_at} AS next_attempt_at,
        coalesce(pending.accepted_at, delivery.accepted_at) AS accepted_at
    FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS given (id, webhook_id, place)
    JOIN webhook ON webhook.id = given.webhook_id AND webhook.organization = $1
    LEFT JOIN LATERAL (
        SELECT * FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.id
        LIMIT 1
    ) AS pending ON true
    LEFT JOIN LATERAL (
        SELECT * FROM delivery
        WHERE delivery.organization = $1 AND delivery.id = given.id
            AND delivery.id >= $4 AND delivery.id <= $5
        LIMIT 1
    ) AS delivery ON true
    WHERE coalesce(pending.delivery_id, delivery.id) IS NOT NULL
) AS delivery
WHERE ($6::text IS NULL OR webhook_id = $6)
    AND ($7::text IS NULL OR event = $7)
    AND ($8::text IS NULL OR status = $8)
    AND ($9::bigint IS NULL OR accepted_at >= $9)
    AND ($10::bigint IS NULL OR accepted_at < $10)
ORDER BY place
LIMIT $11

-- name: webhook_of_delivery
-- $1 organization; $2 the number that the delivery's id ends with
SELECT id FROM webhook WHERE organization = $1 AND number = $2

-- name: deliveries_of_event
-- $1 organization; $2, $3 first and last that can be
SELECT id, webhook_id FROM delivery
WHERE organization = $1 AND id >= $2 AND id <= $3
UNION
SELECT pending.delivery_id, webhook.id
FROM ({working_webhooks}) AS webhook
CROSS JOIN LATERAL (
    SELECT delivery_id FROM pending
    WHERE pending.webhook_id = webhook.id
        AND pending.delivery_id >= $2 AND pending.delivery_id <= $3
    OFFSET 0
) AS pending
ORDER BY 1

-- name: event_time
SELECT accepted_at FROM event WHERE id = $1 AND organization = $2

-- name: get_event
SELECT id, organization, name, client_id, accepted_at, body FROM event
WHERE id = $1 AND organization = $2

-- name: get_health
-- Summed up over the nodes that wrote them.
SELECT health.webhook_id, health.starts_at, health.duration_class,
    sum(health.succeeded)::bigint AS succeeded, sum(health.failed)::bigint AS failed,
    sum(health.exhausted)::bigint AS exhausted
FROM webhook
CROSS JOIN LATERAL (
    SELECT * FROM health
    WHERE health.webhook_id = webhook.id AND health.starts_at >= $2
    OFFSET 0
) AS health
WHERE webhook.organization = $1 AND webhook.status <> 'deleted'
GROUP BY health.webhook_id, health.starts_at, health.duration_class

-- name: webhook_states
-- $1 organization; $2 where counting stops
SELECT webhook.id, run.failing_since, coalesce(run.failures, 0) AS failures, waiting.count AS waiting
FROM webhook
LEFT JOIN run ON run.webhook_id = webhook.id
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM pending
        WHERE webhook.status = 'active' AND pending.webhook_id = webhook.id
            AND NOT pending.finished AND pending.epoch IN (webhook.epoch, -1)
        LIMIT $2
    ) AS counted
) AS waiting (count)
WHERE webhook.organization = $1 AND webhook.status <> 'deleted'

-- name: last_attempts
-- $1 webhooks; $2 floor; $3 before
SELECT given.webhook_id, last.*
FROM unnest($1::text[]) AS given (webhook_id)
CROSS JOIN LATERAL (
    SELECT id, outcome, status, error_message, started_at FROM attempt
    WHERE attempt.webhook_id = given.webhook_id AND attempt.id >= $2 AND attempt.id < $3
    ORDER BY id DESC LIMIT 1
) AS last

-- name: first_failures
-- The oldest failure of each run: settled at `failing_since`, so made shortly before, and after
-- any success of that moment.
-- $1, $2, $3 webhook, floor, ceiling; $4 the lowest floor
SELECT given.webhook_id, first.id
FROM unnest($1::text[], $2::text[], $3::text[]) AS given (webhook_id, floor, ceiling)
LEFT JOIN LATERAL (
    SELECT id FROM attempt
    WHERE attempt.webhook_id = given.webhook_id AND attempt.outcome = 'succeeded'
        AND attempt.id >= given.floor AND attempt.id < given.ceiling AND attempt.id >= $4
    ORDER BY id DESC LIMIT 1
) AS success ON true
CROSS JOIN LATERAL (
    SELECT id FROM attempt
    WHERE attempt.webhook_id = given.webhook_id
        AND attempt.outcome = 'failed' AND attempt.trigger <> 'test'
        AND attempt.id > coalesce(success.id, given.floor) AND attempt.id >= $4
    ORDER BY id LIMIT 1
) AS first

-- name: count_cancelled
-- What the job has written already, and what it will (see `stopped`).
-- $1 organization; $2 webhook; $3 where counting stops
SELECT written.count + coming.count
FROM webhook
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM delivery
        WHERE delivery.webhook_id = webhook.id AND delivery.status = 'cancelled'
            AND NOT delivery.test
        LIMIT $3
    ) AS counted
) AS written (count)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM pending
        WHERE pending.webhook_id = webhook.id AND NOT pending.finished AND NOT pending.test
            AND pending.epoch >= 0 AND pending.epoch < webhook.epoch
        LIMIT $3
    ) AS counted
) AS coming (count)
WHERE webhook.id = $2 AND webhook.organization = $1

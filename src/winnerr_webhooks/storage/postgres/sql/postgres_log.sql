-- Reading the log. A row named by its id is looked up in one partition: a LATERAL with LIMIT 1 is
-- planned as one index look-up for each row, whatever the statistics say, and skips the partitions
-- that cannot hold that id. The bounds of the ids (first, last) keep those out of the plan.

-- name: attempt_event
-- The event that an attempt sent.
'evt_' || substr(attempt.delivery_id, 5, 26)

-- name: attempt_page
SELECT {attempt_columns_of_page}
FROM unnest(:ids::text[]) WITH ORDINALITY AS given (id, ordinal)
CROSS JOIN LATERAL (
    SELECT * FROM attempt
    WHERE attempt.organization = :organization AND attempt.id = given.id
        AND attempt.id >= :first AND attempt.id <= :last
    LIMIT 1
) AS attempt
LEFT JOIN LATERAL (
    SELECT body FROM event
    WHERE :bodies::boolean AND event.id = {attempt_event}
        AND event.id >= 'evt_' || substr(:first_other::text, 5, 26)
        AND event.id <= 'evt_' || substr(:last_other::text, 5, 26)
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
    WHERE delivery.organization = :organization AND delivery.id = attempt.delivery_id
        AND delivery.id >= :first_other AND delivery.id <= :last_other
    LIMIT 1
) AS delivery ON true
ORDER BY given.ordinal

-- name: later
greatest

-- name: bytes

-- name: walk_event
-- `key` is an event: the attempts of its deliveries, few enough to sort.
SELECT id, delivery_id FROM (
    SELECT id, delivery_id FROM attempt
    WHERE delivery_id >= 'dlv_' || substr(:key::text, 5) || '0000'
        AND delivery_id <= 'dlv_' || substr(:key::text, 5) || 'zzzz'
        AND id >= :floor AND id < :before
    OFFSET 0
) AS attempt
ORDER BY id DESC LIMIT :limit

-- name: matching_attempts
-- Those of one step's attempts that match.
-- `parts` of a text are in lower case, `byte_parts` are the same for `searchable` bytes.
SELECT attempt.id, attempt.delivery_id
FROM unnest(:ids::text[]) WITH ORDINALITY AS given (id, ordinal)
CROSS JOIN LATERAL (
    SELECT * FROM attempt
    WHERE attempt.organization = :organization AND attempt.id = given.id
        AND attempt.id >= :first AND attempt.id <= :last
    LIMIT 1
) AS attempt
WHERE {attempt_matches}
    AND (:parts::text[] IS NULL
        OR EXISTS (
            SELECT 1 FROM unnest(:parts::text[]) AS part
            WHERE strpos(attempt.id, part) > 0 OR strpos(attempt.delivery_id, part) > 0
                OR strpos({attempt_event}, part) > 0 OR strpos(attempt.webhook_id, part) > 0
                OR strpos(lower(attempt.url COLLATE "C"), part) > 0
                OR strpos(lower(attempt.error_message COLLATE "C"), part) > 0)
        OR EXISTS (
            SELECT 1
            FROM (
                SELECT {searchable} AS text
                FROM (VALUES
                    (attempt.response_body), (attempt.request_head), (attempt.response_head)
                ) AS one (body)
                OFFSET 0
            ) AS searchable
            CROSS JOIN unnest(:byte_parts::text[]) AS part
            WHERE strpos(searchable.text, part) > 0)
        OR EXISTS (
            SELECT 1
            FROM (
                SELECT {searchable} AS text FROM event
                WHERE event.id = {attempt_event}
                    AND event.id >= 'evt_' || substr(:first_other::text, 5, 26)
                    AND event.id <= 'evt_' || substr(:last_other::text, 5, 26)
                OFFSET 0
            ) AS searchable
            CROSS JOIN unnest(:byte_parts::text[]) AS part
            WHERE strpos(searchable.text, part) > 0))
ORDER BY given.ordinal
LIMIT :limit

-- name: searchable
-- Any bytes as a text with one character for each, in lower case if they are ASCII. A text cannot
-- hold a NUL, so U+FFFD replaces it, as in the searched text.
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

-- name: attempts_of_delivery
-- The newest, oldest first, by their numbers: the clocks of nodes differ. The organization is
-- compared outside, or the planner might walk all of it.
SELECT id, delivery_id FROM (
    SELECT id, delivery_id, organization, attempt, started_at FROM attempt
    WHERE delivery_id = :delivery AND id >= :floor
    ORDER BY attempt DESC, started_at DESC, id DESC
    OFFSET 0
    LIMIT :limit
) AS attempt
WHERE organization = :organization
ORDER BY attempt, started_at, id

-- name: step_deliveries
-- A run of settled deliveries, newest first.
SELECT id, webhook_id FROM delivery
WHERE organization = :organization AND id >= :floor AND id < :before
ORDER BY id DESC LIMIT :limit

-- name: step_undelivered
-- The same of those that were not delivered, of one webhook or (NULL) of all
SELECT delivery.id, webhook.id
FROM webhook
CROSS JOIN LATERAL (
    SELECT id FROM delivery
    WHERE delivery.webhook_id = webhook.id AND delivery.status IN ('failed', 'cancelled')
        AND delivery.id >= :floor AND delivery.id < :before
    ORDER BY id DESC LIMIT :limit
) AS delivery
WHERE webhook.organization = :organization AND (:webhook::text IS NULL OR webhook.id = :webhook)
ORDER BY delivery.id DESC LIMIT :limit

-- name: step_pending
-- The same of those that wait, of one webhook or (NULL) of all
SELECT pending.delivery_id, webhook.id
FROM ({working_webhooks}) AS webhook
CROSS JOIN LATERAL (
    SELECT delivery_id FROM pending
    WHERE pending.webhook_id = webhook.id
        AND pending.delivery_id >= :floor AND pending.delivery_id < :before
    ORDER BY delivery_id DESC LIMIT :limit
) AS pending
WHERE :webhook::text IS NULL OR webhook.id = :webhook
ORDER BY pending.delivery_id DESC LIMIT :limit

-- name: matching_deliveries
-- Those of these deliveries that match, as they stand now.
SELECT id, event, webhook_id, status, test, next_attempt_at, waits_for
FROM (
    SELECT
        given.ordinal, given.id, given.webhook_id, coalesce(pending.event, delivery.event) AS event,
        {delivery_status} AS status, coalesce(pending.test, delivery.test) AS test,
        {next_attempt_at} AS next_attempt_at, {waits_for} AS waits_for,
        coalesce(pending.accepted_at, delivery.accepted_at) AS accepted_at
    FROM unnest(:ids::text[], :others::text[]) WITH ORDINALITY AS given (id, webhook_id, ordinal)
    JOIN webhook ON webhook.id = given.webhook_id AND webhook.organization = :organization
    LEFT JOIN LATERAL (
        SELECT * FROM pending
        WHERE pending.webhook_id = given.webhook_id AND pending.delivery_id = given.id
        LIMIT 1
    ) AS pending ON true
    LEFT JOIN LATERAL (
        SELECT * FROM delivery
        WHERE delivery.organization = :organization AND delivery.id = given.id
            AND delivery.id >= :first AND delivery.id <= :last
        LIMIT 1
    ) AS delivery ON true
    WHERE coalesce(pending.delivery_id, delivery.id) IS NOT NULL
) AS delivery
WHERE {delivery_matches}
ORDER BY ordinal
LIMIT :limit

-- name: deliveries_of_event
SELECT id, webhook_id FROM delivery
WHERE organization = :organization AND id >= :first AND id <= :last
UNION
SELECT pending.delivery_id, webhook.id
FROM ({working_webhooks}) AS webhook
CROSS JOIN LATERAL (
    SELECT delivery_id FROM pending
    WHERE pending.webhook_id = webhook.id
        AND pending.delivery_id >= :first AND pending.delivery_id <= :last
    OFFSET 0
) AS pending
ORDER BY 1

-- name: get_health
-- Summed up over the nodes that wrote them.
SELECT health.webhook_id, health.starts_at, health.duration_class,
    sum(health.succeeded)::bigint AS succeeded, sum(health.failed)::bigint AS failed,
    sum(health.exhausted)::bigint AS exhausted
FROM webhook
CROSS JOIN LATERAL (
    SELECT * FROM health
    WHERE health.webhook_id = webhook.id AND health.starts_at >= :since
    OFFSET 0
) AS health
WHERE webhook.organization = :organization AND webhook.status <> 'deleted'
GROUP BY health.webhook_id, health.starts_at, health.duration_class

-- name: traffic_counts
-- Summed up over the nodes that wrote them.
SELECT ((starts_at - :since) / :step)::integer AS interval, duration_class,
    sum(succeeded)::bigint AS succeeded, sum(failed)::bigint AS failed
FROM health
WHERE webhook_id = :webhook AND starts_at >= :since AND starts_at < :until
GROUP BY 1, 2

-- name: sampled_attempts
SELECT attempt.started_at, attempt.event, attempt.outcome, attempt.status
FROM unnest(:ids::text[]) AS given (id)
CROSS JOIN LATERAL (
    SELECT * FROM attempt
    WHERE attempt.organization = :organization AND attempt.id = given.id
        AND attempt.id >= :first AND attempt.id <= :last
    LIMIT 1
) AS attempt
WHERE attempt.trigger <> 'test'

-- name: webhook_states
-- Counting stops at the limit.
SELECT webhook.id, run.failing_since, coalesce(run.failures, 0) AS failures, waiting.count AS waiting
FROM webhook
LEFT JOIN run ON run.webhook_id = webhook.id
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM pending
        WHERE webhook.status = 'active' AND pending.webhook_id = webhook.id
            AND NOT pending.finished AND pending.epoch = webhook.epoch
        LIMIT :limit
    ) AS counted
) AS waiting (count)
WHERE webhook.organization = :organization AND webhook.status <> 'deleted'
    AND webhook.listener IS NULL

-- name: last_attempts
SELECT given.webhook_id, last.*
FROM unnest(:webhooks::text[]) AS given (webhook_id)
CROSS JOIN LATERAL (
    SELECT id, outcome, status, error_message, started_at FROM attempt
    WHERE attempt.webhook_id = given.webhook_id AND attempt.id >= :floor AND attempt.id < :before
    ORDER BY id DESC LIMIT 1
) AS last

-- name: first_failures
-- The oldest failure of each streak: settled at `failing_since`, so made shortly before, and after
-- any success of that moment.
-- $1, $2, $3 webhook, floor, ceiling; `lowest` is the lowest floor
SELECT given.webhook_id, first.id
FROM unnest($1::text[], $2::text[], $3::text[]) AS given (webhook_id, floor, ceiling)
LEFT JOIN LATERAL (
    SELECT id FROM attempt
    WHERE attempt.webhook_id = given.webhook_id AND attempt.outcome = 'succeeded'
        AND attempt.id >= given.floor AND attempt.id < given.ceiling AND attempt.id >= cast(:lowest AS text)
    ORDER BY id DESC LIMIT 1
) AS success ON true
CROSS JOIN LATERAL (
    SELECT id FROM attempt
    WHERE attempt.webhook_id = given.webhook_id
        AND attempt.outcome = 'failed' AND attempt.trigger <> 'test'
        AND attempt.id > coalesce(success.id, given.floor) AND attempt.id >= cast(:lowest AS text)
    ORDER BY id LIMIT 1
) AS first

-- name: count_cancelled
-- What the job has written, and what it still has to write (see `stopped`).
-- Counting stops at the limit.
SELECT written.count + coming.count
FROM webhook
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM delivery
        WHERE delivery.webhook_id = webhook.id AND delivery.status = 'cancelled'
            AND NOT delivery.test
        LIMIT :limit
    ) AS counted
) AS written (count)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT 1 FROM pending
        WHERE pending.webhook_id = webhook.id AND NOT pending.finished AND NOT pending.test
            AND pending.epoch >= 0 AND pending.epoch < webhook.epoch
        LIMIT :limit
    ) AS counted
) AS coming (count)
WHERE webhook.id = :webhook AND webhook.organization = :organization

-- name: attempt_key
delivery_id

-- name: as_rows

-- name: end_rows

-- name: by

-- The verbs of an event's road. Each takes a whole batch: see sqlite_storage.py.
--
-- `patterns` is a JSON array of all patterns that match an event's name: a webhook wants the event if
-- it is subscribed to one of them.

-- name: fan_out
SELECT json_group_array(json_array(
    given.column1, webhook.id, webhook.number, webhook.status, webhook.version, webhook.epoch,
    webhook.filter, webhook.rate_limit, webhook.order_by))
FROM ({rows:3}) AS given
CROSS JOIN json_each(given.column3) AS pattern
CROSS JOIN subscription
    ON subscription.organization = given.column2 AND subscription.event = pattern.value
CROSS JOIN webhook ON webhook.id = subscription.webhook_id

-- name: find_accepted
SELECT json_group_array(json_array(
    given.column1, hex(idempotency.fingerprint), idempotency.event_id, idempotency.deliveries))
FROM ({rows:4}) AS given
CROSS JOIN idempotency
    ON idempotency.organization = given.column2 AND idempotency.client_id = given.column3
WHERE idempotency.at >= given.column4

-- name: remember_accepted
INSERT OR REPLACE INTO idempotency
    (organization, client_id, fingerprint, event_id, deliveries, at)
{rows:6}

-- name: put_events
INSERT INTO event (id, organization, name, client_id, accepted_at, body)
{rows:6}

-- name: insert_pending
WITH given AS ({rows:6})
INSERT INTO pending ({pending_row})
SELECT column1, column2, column3, column4, 0, column5, given_now.at, given_now.at,
    iif(column6, given_now.lease_until, NULL), column6, column6, 0, 0, given_now.at, 0, 0
FROM given CROSS JOIN (SELECT :now AS at, :lease_until AS lease_until) AS given_now

-- name: insert_ordered
-- Free, and with what their place in an order is.
WITH given AS ({rows:6})
INSERT INTO pending ({pending_row}, order_key, order_number)
SELECT column1, column2, column3, column4, 0, column5, given_now.at, given_now.at,
    NULL, 0, 0, 0, 0, given_now.at, 0, 0, column6, given_now.number
FROM given CROSS JOIN (
    SELECT :now AS at, (SELECT max(seq) FROM event) AS number) AS given_now

-- name: wanted
-- The webhooks that want the given events, each once; in the order of `pending`, so that its pages
-- are written once. `suffix` is the end of a delivery's id: see `ids.delivery_id`.
wanted AS MATERIALIZED (
    SELECT DISTINCT webhook.id AS webhook_id, pair.organization, pair.name, webhook.epoch,
        webhook.status = 'active' AS active,
        substr({digits}, (webhook.number >> 15 & 31) + 1, 1)
        || substr({digits}, (webhook.number >> 10 & 31) + 1, 1)
        || substr({digits}, (webhook.number >> 5 & 31) + 1, 1)
        || substr({digits}, (webhook.number & 31) + 1, 1) AS suffix
    FROM (SELECT DISTINCT organization, name, patterns FROM given) AS pair
    CROSS JOIN json_each(pair.patterns) AS pattern
    CROSS JOIN subscription
        ON subscription.organization = pair.organization AND subscription.event = pattern.value
    CROSS JOIN webhook ON webhook.id = subscription.webhook_id AND webhook.status <> 'deleted'
    ORDER BY webhook.id
)

-- name: digits
'0123456789abcdefghjkmnpqrstvwxyz'

-- name: insert_free
-- The deliveries of events to all active webhooks, free and due now. However many these are, none
-- goes through Python.
WITH given (id, organization, name, patterns) AS MATERIALIZED ({rows:4}), {wanted}
INSERT INTO pending ({pending_row})
SELECT wanted.webhook_id, 'dlv_' || substr(given.id, 5) || wanted.suffix, given.organization,
    given.name, 0, wanted.epoch, given_now.at, given_now.at, NULL, 0, 0, 0, 0, given_now.at, 0, 0
FROM wanted
CROSS JOIN (SELECT :now AS at) AS given_now
CROSS JOIN given ON given.organization = wanted.organization AND given.name = wanted.name
WHERE wanted.active

-- name: insert_cancelled
WITH given (id, organization, name, patterns) AS MATERIALIZED ({rows:4}), {wanted}
INSERT INTO delivery ({settled_row})
SELECT given.organization, 'dlv_' || substr(given.id, 5) || wanted.suffix, wanted.webhook_id,
    given.name, 'cancelled', 0, 0, 0, given_now.at, given_now.at
FROM wanted
CROSS JOIN (SELECT :now AS at) AS given_now
CROSS JOIN given ON given.organization = wanted.organization AND given.name = wanted.name
WHERE NOT wanted.active

-- name: wake_lanes
-- Of all active webhooks that want one of these (organization, patterns).
INSERT INTO lane (webhook_id, next_due_at)
SELECT DISTINCT webhook.id, given_now.at
FROM ({rows:2}) AS given
CROSS JOIN (SELECT :now AS at) AS given_now
CROSS JOIN json_each(given.column2) AS pattern
CROSS JOIN subscription
    ON subscription.organization = given.column1 AND subscription.event = pattern.value
CROSS JOIN webhook ON webhook.id = subscription.webhook_id AND webhook.status = 'active'
WHERE true
ON CONFLICT (webhook_id) DO UPDATE SET next_due_at = excluded.next_due_at
WHERE excluded.next_due_at < lane.next_due_at

-- name: count_wanted
-- How many webhooks want the events of an (organization, patterns): active ones, all but deleted, and
-- those of the latter for which the payload matters: with a filter, or in an order.
SELECT json_group_array(json((
    SELECT json_array(
        given.column1,
        count(DISTINCT iif(webhook.status = 'active', webhook.id, NULL)),
        count(DISTINCT webhook.id),
        count(coalesce(webhook.filter, webhook.order_by)))
    FROM json_each(given.column3) AS pattern
    CROSS JOIN subscription
        ON subscription.organization = given.column2 AND subscription.event = pattern.value
    CROSS JOIN webhook ON webhook.id = subscription.webhook_id AND webhook.status <> 'deleted')))
FROM ({rows:3}) AS given

-- name: put_pending
INSERT OR REPLACE INTO pending ({pending_row}, {more_pending})
{rows:19}

-- name: common_case
pending.webhook_id = given.column1 AND pending.delivery_id = given.column2
    AND pending.lease = given.column3 AND NOT pending.finished AND pending.replay = 0

-- name: deliver
-- The common case: a row with this lease, without a replay that was asked for meanwhile.
WITH given AS ({rows:3})
INSERT OR REPLACE INTO delivery ({settled_row})
SELECT pending.organization, pending.delivery_id, pending.webhook_id, pending.event, 'delivered',
    pending.test, pending.attempts + 1, pending.lease, pending.accepted_at, :now
FROM given CROSS JOIN pending ON {common_case}

-- name: not_common
SELECT json_group_array(given.column2)
FROM ({rows:3}) AS given LEFT JOIN pending ON {common_case}
WHERE pending.webhook_id IS NULL

-- name: drop_pending
DELETE FROM pending WHERE (webhook_id, delivery_id) IN ({rows:2})

-- name: put_deliveries
INSERT OR REPLACE INTO delivery ({settled_row})
{rows:10}

-- name: lower_lanes
INSERT INTO lane (webhook_id, next_due_at)
SELECT * FROM ({rows:2}) WHERE true
ON CONFLICT (webhook_id) DO UPDATE SET next_due_at = excluded.next_due_at
WHERE excluded.next_due_at < lane.next_due_at

-- name: lock_pending
SELECT json_group_array(json_array({pending_row}, {more_pending}))
FROM ({rows:2}) AS given
CROSS JOIN pending
    ON pending.webhook_id = given.column1 AND pending.delivery_id = given.column2

-- name: deliveries_of
SELECT json_group_array(json_array({settled_row}))
FROM ({rows:2}) AS given
CROSS JOIN delivery ON delivery.organization = given.column1 AND delivery.id = given.column2

-- name: streaks_of
SELECT json_group_array(json_array(id, organization, status, version, epoch, failing_since, failures))
FROM webhook WHERE id {any:webhooks}

-- name: put_attempts
INSERT OR IGNORE INTO attempt ({attempt_columns})
{rows:26}

-- name: attempts_before
-- Which of these attempts are older than the newest rows, whose number is given.
SELECT json_group_array(attempt.id)
FROM json_each(:attempts) AS given
CROSS JOIN attempt
    ON attempt.organization = given.value ->> 0 AND attempt.id = given.value ->> 1
WHERE attempt.seq <= (SELECT max(seq) FROM attempt) - :newest

-- name: put_health
INSERT INTO health (webhook_id, starts_at, duration_class, succeeded, failed, exhausted)
SELECT * FROM ({rows:6}) WHERE true
ON CONFLICT (webhook_id, starts_at, duration_class) DO UPDATE SET
    succeeded = succeeded + excluded.succeeded,
    failed = failed + excluded.failed,
    exhausted = exhausted + excluded.exhausted

-- name: put_streaks
UPDATE webhook SET failing_since = run.column2, failures = run.column3
FROM ({rows:3}) AS run WHERE webhook.id = run.column1

-- name: news
SELECT EXISTS (SELECT 1 FROM lane WHERE next_due_at <= :now),
    EXISTS (SELECT 1 FROM job)
        OR EXISTS (SELECT 1 FROM rehearsal WHERE ended_at IS NULL AND lease_until < :now),
    0,
    (SELECT coalesce(max(change_mark), 1) FROM webhook)

-- name: due_lanes
-- A page of lanes that are due, longest due first; and when the next one will be due.
SELECT json_group_array(json_array(
        due.webhook_id, coalesce(webhook.organization, ''), due.next_due_at)),
    (SELECT min(next_due_at) FROM lane WHERE next_due_at > :now)
FROM (
    SELECT webhook_id, next_due_at FROM lane
    WHERE (next_due_at, webhook_id) > (:after, :after_id) AND next_due_at <= :now
    ORDER BY next_due_at, webhook_id
    LIMIT :limit
) AS due
LEFT JOIN webhook ON webhook.id = due.webhook_id

-- name: lanes_to_claim
SELECT json_group_array(json_array(
    webhook.id, webhook.version, webhook.epoch, webhook.status, webhook.rate_limit,
    lane_turn.next_turn_at, webhook.order_by IS NOT NULL))
FROM json_each(:webhooks) AS asked CROSS JOIN webhook ON webhook.id = asked.value
LEFT JOIN lane_turn ON lane_turn.webhook_id = webhook.id

-- name: lock_turns
-- There is one writer: nothing has to be locked.

-- name: put_turns
INSERT OR REPLACE INTO lane_turn (webhook_id, next_turn_at)
{rows:2}

-- name: hold_turns
-- Of webhooks with a rate limit whose receivers ask for a pause.
UPDATE lane_turn SET next_turn_at = held.column2
FROM ({rows:2}) AS held
WHERE lane_turn.webhook_id = held.column1 AND lane_turn.next_turn_at < held.column2

-- name: due_pending
-- The first due deliveries of each lane, at most :most of each; tests have an epoch of their own.
SELECT json_group_array(json_array({pending_row}, {more_pending}))
FROM (
    SELECT pending.*
    FROM json_each(:lanes) AS due
    CROSS JOIN pending
        ON pending.webhook_id = due.value ->> 0
        AND pending.delivery_id IN (
            SELECT waiting.delivery_id FROM pending AS waiting INDEXED BY pending_free
            WHERE waiting.webhook_id = due.value ->> 0 AND waiting.epoch = due.value ->> 1
                AND waiting.lease_until IS NULL AND waiting.due_at <= :now
            ORDER BY waiting.due_at
            LIMIT :most)
)

-- name: key_heads
-- The first deliveries of each key (webhook, key, epoch), at most :most of each; none of a key of which
-- one is leased.
SELECT json_group_array(json_array({pending_row}, {more_pending}))
FROM ({rows:3}) AS given
CROSS JOIN pending
    ON pending.webhook_id = given.column1
    AND pending.delivery_id IN (
        SELECT waiting.delivery_id FROM pending AS waiting INDEXED BY pending_order
        WHERE waiting.webhook_id = given.column1 AND waiting.order_key = given.column2
            AND NOT waiting.finished AND waiting.epoch = given.column3
        ORDER BY waiting.order_number, waiting.delivery_id
        LIMIT :most)
WHERE NOT EXISTS (
    SELECT 1 FROM pending AS held INDEXED BY pending_order_leased
    WHERE held.webhook_id = given.column1 AND held.order_key = given.column2
        AND NOT held.finished AND held.lease_until IS NOT NULL
        AND held.epoch = given.column3)

-- name: wake_keys
-- The first delivery of each key (webhook, key, epoch), if another one has held it until now.
UPDATE pending
SET due_at = iif(pending.replay, given_now.at, max(given_now.at, coalesce(pending.retry_at, 0)))
FROM ({rows:3}) AS given CROSS JOIN (SELECT :now AS at) AS given_now
WHERE pending.webhook_id = given.column1 AND pending.delivery_id = (
        SELECT first.delivery_id FROM pending AS first INDEXED BY pending_order
        WHERE first.webhook_id = given.column1 AND first.order_key = given.column2
            AND NOT first.finished AND first.epoch = given.column3
        ORDER BY first.order_number, first.delivery_id
        LIMIT 1)
    AND pending.lease_until IS NULL AND pending.due_at = {parked}

-- name: set_due
UPDATE pending SET due_at = given.column3
FROM ({rows:3}) AS given
WHERE pending.webhook_id = given.column1 AND pending.delivery_id = given.column2

-- name: body_sizes
SELECT json_group_array(json_array(event.id, length(event.body)))
FROM json_each(:events) AS given CROSS JOIN event ON event.id = given.value

-- name: bodies
-- One value holds all bodies, one after the other: `group_concat` of texts keeps every byte.
SELECT json_group_array(json_array(id, length(body))), CAST(group_concat(CAST(body AS TEXT), '') AS BLOB)
FROM (
    SELECT event.id, event.body
    FROM json_each(:events) AS given CROSS JOIN event ON event.id = given.value
)

-- name: advance_lanes
-- To the first delivery of each that is free, or to an instant that is given, if it is later.
INSERT OR REPLACE INTO lane (webhook_id, next_due_at)
SELECT webhook_id, max(next_due_at, earliest)
FROM (SELECT webhook_id, earliest, {next_due_at} AS next_due_at
      FROM (SELECT value ->> 0 AS webhook_id, value ->> 1 AS epoch, value ->> 2 AS earliest
            FROM json_each(:lanes)) AS lane)
WHERE next_due_at IS NOT NULL

-- name: next_due_at
(SELECT min(due_at) FROM (
    SELECT (SELECT min(due_at) FROM pending
            WHERE webhook_id = lane.webhook_id AND epoch = lane.epoch AND lease_until IS NULL)
           AS due_at
    UNION ALL
    SELECT (SELECT min(due_at) FROM pending
            WHERE webhook_id = lane.webhook_id AND epoch = -1 AND lease_until IS NULL)))

-- name: lanes_of
SELECT json_group_array(json_array(id, epoch)) FROM webhook
WHERE status <> 'deleted' AND id IN (SELECT value FROM json_each(:webhooks))

-- name: leased_webhooks
SELECT json_group_array(DISTINCT webhook_id) FROM pending WHERE lease_until IS NOT NULL

-- name: release
-- One statement for all of them, by key.
UPDATE pending
SET lease_until = NULL, idle_leases = max(pending.idle_leases - 1, 0), due_at = :now
FROM json_each(:given) AS given
WHERE pending.webhook_id = given.value ->> 0 AND pending.delivery_id = given.value ->> 1
    AND pending.lease = given.value ->> 2 AND pending.lease_until IS NOT NULL

-- name: free_all
-- A lease that ended with its process says nothing about its delivery: most were only queued.
UPDATE pending SET lease_until = NULL, idle_leases = max(idle_leases - 1, 0)
WHERE lease_until IS NOT NULL

-- name: free_rehearsals
UPDATE rehearsal SET lease_until = 0 WHERE ended_at IS NULL

-- name: longest_wait
-- The most milliseconds that a delivery can have to wait for its next attempt. `:own` has those of
-- the webhooks that have a schedule of their own.
iif(pending.replay, 0, coalesce(
    :own -> pending.webhook_id
        ->> min(pending.retries_used, json_array_length(:own -> pending.webhook_id) - 1),
    :waits ->> min(pending.retries_used, json_array_length(:waits) - 1)))

-- name: own_schedules
SELECT json_group_array(json_array(id, retry_schedule)) FROM webhook
WHERE retry_schedule IS NOT NULL AND status <> 'deleted'

-- name: waits_too_long
SELECT json_group_array(DISTINCT webhook_id) FROM pending INDEXED BY pending_free
WHERE lease_until IS NULL AND due_at > :now AND due_at < {parked} AND due_at > :now + {longest_wait}

-- name: shorten_waits
UPDATE pending SET due_at = :now + {longest_wait},
    retry_at = min(retry_at, :now + {longest_wait})
WHERE lease_until IS NULL AND due_at > :now AND due_at < {parked} AND due_at > :now + {longest_wait}

-- name: expired
SELECT json_group_array(json_array(webhook_id, delivery_id)) FROM pending WHERE lease_until < :now

-- name: free_expired
UPDATE pending SET lease_until = NULL
WHERE (webhook_id, delivery_id) IN ({rows:2}) AND lease_until < :now

-- name: lost_lanes
-- Webhooks with free work whose lane is missing or too late, and when that work is due.
WITH RECURSIVE busy (webhook_id) AS (
    SELECT min(webhook_id) FROM pending
    UNION ALL
    SELECT (SELECT min(webhook_id) FROM pending WHERE webhook_id > busy.webhook_id)
    FROM busy WHERE busy.webhook_id IS NOT NULL
),
lane_now (webhook_id, epoch, says) AS (
    SELECT webhook.id, webhook.epoch, lane.next_due_at
    FROM busy JOIN webhook ON webhook.id = busy.webhook_id
    LEFT JOIN lane ON lane.webhook_id = webhook.id
    LEFT JOIN lane_turn ON lane_turn.webhook_id = webhook.id
    -- A lane may say less than it has due while it waits for its turn.
    WHERE webhook.status <> 'deleted'
        AND NOT (webhook.rate_limit IS NOT NULL AND lane.next_due_at IS NOT NULL
            AND lane.next_due_at <= coalesce(lane_turn.next_turn_at, 0))
),
right_now (webhook_id, says, next_due_at) AS (
    SELECT webhook_id, says, {next_due_at} FROM lane_now AS lane
)
SELECT json_group_array(json_array(webhook_id, next_due_at)) FROM right_now
WHERE next_due_at IS NOT NULL AND (says IS NULL OR says > next_due_at)

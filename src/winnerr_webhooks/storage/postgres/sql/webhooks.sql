-- Webhooks, their secrets, and the jobs that follow a change of status.

-- name: webhook_columns
id, organization, url, description, events, status, status_reason, secret IS NOT NULL,
overlap_ends_at, created_at, updated_at, version

-- name: list_webhooks
SELECT {webhook_columns} FROM webhook
WHERE organization = $1 AND status <> 'deleted' ORDER BY number

-- name: working_webhooks
-- Webhooks of an organization that deliveries may wait for: those that are not deleted, and deleted
-- ones whose job has not yet written down that these deliveries are cancelled. $1 organization
SELECT id, version FROM webhook WHERE organization = $1 AND status <> 'deleted'
UNION ALL
SELECT id, version
FROM (SELECT DISTINCT webhook_id FROM job OFFSET 0) AS busy
CROSS JOIN LATERAL (SELECT * FROM webhook WHERE id = busy.webhook_id OFFSET 0) AS webhook
WHERE organization = $1 AND status = 'deleted'

-- name: get_webhook
SELECT {webhook_columns} FROM webhook
WHERE id = $1 AND organization = $2 AND status <> 'deleted'

-- name: lock_own_webhook
{get_webhook} FOR UPDATE

-- name: lock_active_webhooks
SELECT id FROM webhook WHERE id = ANY ($1::text[]) AND status = 'active' ORDER BY id FOR UPDATE

-- name: lock_organization
-- Two that add a webhook to an organization do so one after the other. (1464358722 is "WHOB".)
SELECT pg_advisory_xact_lock(1464358722, hashtext($1))

-- name: count_webhooks
-- How many there are, and the number of the next one. No number is given out twice, because the
-- webhook with the highest one is never removed (see `due_removals`).
SELECT
    (SELECT count(*) FROM webhook WHERE organization = $1 AND status <> 'deleted'),
    (SELECT coalesce(max(number), 0) + 1 FROM webhook WHERE organization = $1)

-- name: next_change_mark
-- Its row stays locked until the commit, so marks become visible in their order: whoever has
-- seen one has missed none before it. To be taken after the webhook's lock.
WITH mark AS (UPDATE meta SET value = value + 1 WHERE name = 'change_mark' RETURNING value)

-- name: add_webhook
{next_change_mark}
INSERT INTO webhook
    (id, organization, number, suffix, url, description, events, status, secret, created_at,
     updated_at, version, epoch, change_mark)
SELECT $1, $2, $3, $4, $5, $6, $7::text[], 'active', $8, $9, $9, 1, 1, mark.value FROM mark

-- name: unsubscribe
DELETE FROM subscription WHERE organization = $1 AND webhook_id = $2

-- name: subscribe
INSERT INTO subscription (organization, event, webhook_id)
SELECT $1, event, $2 FROM unnest($3::text[]) AS given (event) ORDER BY event
ON CONFLICT DO NOTHING

-- name: changed
-- Of the database's clock nodes have readings that differ by a few ms: a webhook's do not go back.
updated_at = greatest(updated_at, $2), version = version + 1,
change_mark = (SELECT value FROM mark)

-- name: edit_webhook
{next_change_mark}
UPDATE webhook SET url = $3, description = $4, events = $5::text[], {changed} WHERE id = $1

-- name: enter_active
{next_change_mark}
UPDATE webhook SET status = 'active', status_reason = NULL, {changed} WHERE id = $1

-- name: leave_active
{next_change_mark}
UPDATE webhook SET status = $3, status_reason = $4, epoch = epoch + 1, {changed} WHERE id = $1

-- name: relabel
{next_change_mark}
UPDATE webhook SET status = $3, status_reason = NULL, {changed} WHERE id = $1

-- name: end_webhook
{next_change_mark}
UPDATE webhook SET
    status = 'deleted', status_reason = NULL, secret = NULL, next_secret = NULL,
    overlap_ends_at = NULL, epoch = epoch + 1, {changed}
WHERE id = $1

-- name: get_secrets
SELECT secret, next_secret, overlap_ends_at FROM webhook
WHERE id = $1 AND organization = $2 AND status <> 'deleted'

-- name: lock_secrets
{get_secrets} FOR UPDATE

-- name: put_secrets
{next_change_mark}
UPDATE webhook SET secret = $3, next_secret = $4, overlap_ends_at = $5, {changed} WHERE id = $1

-- name: all_secrets
-- A deleted webhook has none.
SELECT id, secret FROM webhook WHERE status <> 'deleted' AND secret IS NOT NULL
UNION ALL
SELECT id, next_secret FROM webhook WHERE status <> 'deleted' AND next_secret IS NOT NULL

-- name: get_targets
SELECT id, organization, version, url, status, secret, next_secret, overlap_ends_at
FROM webhook WHERE id = ANY ($1::text[])

-- name: changed_since
-- The mark now, and what was changed after another one; 0 asks for nothing of what was before.
SELECT
    (SELECT value FROM meta WHERE name = 'change_mark'),
    ARRAY(SELECT id FROM webhook WHERE $1::bigint > 0 AND change_mark > $1)

-- name: webhook_numbered
SELECT id, status, epoch FROM webhook WHERE organization = $1 AND number = $2

-- name: last_run
(SELECT coalesce(max(last_run), 0) FROM job)

-- name: add_cancel_job
INSERT INTO job (kind, webhook_id, requested_at, epoch, statuses, cursor, last_run)
SELECT 'cancel', id, updated_at, epoch, '{}', '', {last_run} FROM webhook WHERE id = $1

-- name: add_replay_jobs
-- $1 organization; $2 webhook; $3 states; $4 event; $5, $6 acceptance; $7 first id; $8 now
INSERT INTO job
    (kind, webhook_id, requested_at, epoch, event, statuses, accepted_since, accepted_until,
     cursor, last_run)
SELECT 'replay', id, greatest(updated_at, $8), 0, $4, $3::text[], $5, $6, $7, {last_run}
FROM webhook
WHERE organization = $1 AND status = 'active' AND ($2::text IS NULL OR id = $2)
ORDER BY number

-- name: oldest_writer
-- When the first of the transactions began that may still write. What runs for so long without
-- a transaction id only reads; and nothing is waited for longer than a minute.
(SELECT min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND usename IN (current_user, session_user)
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND xact_start > clock_timestamp()
        - CASE WHEN backend_xid IS NULL THEN interval '3 s' ELSE interval '60 s' END)

-- name: next_job
-- Jobs of one webhook run in order; webhooks take turns; what another node is at is passed by.
-- A job that was seen waits until all have ended who began before: they may not know yet of the
-- change it follows, and could add to what it has gone through.
SELECT job.id, job.kind, job.webhook_id, job.requested_at, job.epoch, job.event, job.statuses,
    job.accepted_since, job.accepted_until, job.cursor, job.seen_at IS NOT NULL,
    webhook.organization, webhook.status, webhook.epoch
FROM job JOIN webhook ON webhook.id = job.webhook_id
WHERE NOT EXISTS (
        SELECT FROM job AS earlier WHERE earlier.webhook_id = job.webhook_id AND earlier.id < job.id)
    AND (job.seen_at IS NULL OR job.seen_at <= coalesce({oldest_writer}, 'infinity'))
ORDER BY job.last_run, job.id
LIMIT 1
FOR UPDATE OF job SKIP LOCKED

-- name: see_job
-- Whether it can begin at once.
UPDATE job SET seen_at = clock_timestamp() WHERE id = $1
RETURNING seen_at <= coalesce({oldest_writer}, 'infinity')

-- name: move_job
UPDATE job SET cursor = $2, last_run = {last_run} + 1 WHERE id = $1

-- name: end_job
DELETE FROM job WHERE id = $1

-- name: cancel_slice
-- Write down what is cancelled already; the last of the rows that were looked at, and how many.
-- One that has an outcome keeps it: only its replay ends here. One that is being settled at this
-- moment is waited for, and taken as it is then, or found to be settled.
-- $1 webhook; $2 after this delivery; $3 so many; $4 what is older than this epoch; $5 or all of
-- it; $6 when it was cancelled
WITH reach AS MATERIALIZED (
    SELECT max(delivery_id) AS last, count(*) AS looked_at
    FROM (
        SELECT delivery_id FROM pending WHERE webhook_id = $1 AND delivery_id > $2
        ORDER BY delivery_id LIMIT $3
    ) AS next
),
doomed AS MATERIALIZED (
    SELECT webhook_id, delivery_id FROM pending
    WHERE webhook_id = $1 AND delivery_id > $2 AND delivery_id <= (SELECT last FROM reach)
        AND (epoch >= 0 AND epoch < $4 OR $5)
    ORDER BY delivery_id
    FOR UPDATE
),
gone AS (
    DELETE FROM pending USING doomed
    WHERE pending.webhook_id = doomed.webhook_id AND pending.delivery_id = doomed.delivery_id
    RETURNING pending.*
),
outcomes AS (
    INSERT INTO delivery
        (organization, id, webhook_id, event, status, test, attempts, lease, accepted_at, settled_at)
    SELECT organization, delivery_id, webhook_id, event, 'cancelled', test, attempts, lease,
        accepted_at, $6
    FROM gone ORDER BY organization, delivery_id
    ON CONFLICT (organization, id) DO UPDATE SET
        attempts = excluded.attempts, lease = excluded.lease
)
SELECT last, looked_at FROM reach

-- name: replay_rows
-- $1 the webhook's epoch; $2 now. A new row goes on after the last lease there was, so that
-- nobody who still holds that one can settle it.
INSERT INTO pending AS known
    (webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until,
     lease, idle_leases, attempts, retries_used, retry_at, replay, finished)
SELECT webhook_id, id, organization, event, test, $1::int, accepted_at, $2::bigint, NULL::bigint,
    lease + 1, 0, attempts, 0, NULL::bigint, 1, true

-- name: or_one_more
-- A row that waits already (a replay asked for before) takes the request in.
ON CONFLICT (webhook_id, delivery_id) DO UPDATE SET
    replay = known.replay + 1,
    epoch = excluded.epoch,
    due_at = CASE WHEN known.lease_until IS NULL THEN excluded.due_at ELSE known.due_at END

-- name: enqueue_replay
-- $3 organization; $4 delivery
{replay_rows}
FROM delivery WHERE organization = $3 AND id = $4
{or_one_more}

-- name: replay_slice
-- Ask for replays of those of the next so many undelivered ones that match; the last one looked
-- at, how many were, and how many matched.
-- $3 webhook; $4, $5 after this delivery, before that one; $6 so many; $7 not what was settled
-- after this; $8 states; $9 event; $10, $11 acceptance
WITH undelivered AS MATERIALIZED (
    SELECT *,
        NOT test AND settled_at <= $7 AND status = ANY ($8::text[])
            AND ($9::text IS NULL OR event = $9)
            AND ($10::bigint IS NULL OR accepted_at >= $10)
            AND ($11::bigint IS NULL OR accepted_at < $11) AS matches
    FROM delivery
    WHERE webhook_id = $3 AND id > $4 AND id < $5 AND status IN ('failed', 'cancelled')
    ORDER BY id LIMIT $6
),
replays AS (
    {replay_rows}
    FROM undelivered WHERE matches ORDER BY id
    {or_one_more}
)
SELECT max(id), count(*), count(*) FILTER (WHERE matches) FROM undelivered

-- name: once_active
-- Webhooks of an organization that are active, or were when the replay was asked for: stopping a
-- webhook changes its row. The clock that dates the replay may differ from the database's,
-- so a second is added. Counting a webhook that was stopped just before, as not sent, is better than
-- leaving out one that was stopped since, as delivered.
SELECT id, epoch FROM webhook
WHERE organization = $1 AND status <> 'deleted'
    AND (status = 'active' OR updated_at >= $9::bigint - 1000) AND ($2::text IS NULL OR id = $2)
UNION ALL
SELECT id, epoch FROM webhook
WHERE organization = $1 AND status = 'deleted' AND updated_at >= $9::bigint - 1000
    AND ($2::text IS NULL OR id = $2)

-- name: count_replays
-- $1 organization; $2 webhook; $3 states; $4 event; $5, $6 acceptance; $7, $8 first, last id;
-- $9 when it was asked for
SELECT count(*)
FROM ({once_active}) AS webhook
JOIN delivery ON delivery.webhook_id = webhook.id AND delivery.status IN ('failed', 'cancelled')
WHERE ($9::bigint IS NULL OR delivery.settled_at <= $9)
    AND NOT delivery.test AND delivery.status = ANY ($3::text[])
    AND ($4::text IS NULL OR delivery.event = $4)
    AND ($5::bigint IS NULL OR delivery.accepted_at >= $5)
    AND ($6::bigint IS NULL OR delivery.accepted_at < $6)
    AND delivery.id > $7 AND delivery.id < $8

-- name: count_cancelling
-- Cancelled by the webhook's change of status, though the job has not written it yet.
SELECT count(*)
FROM ({once_active}) AS webhook JOIN pending ON pending.webhook_id = webhook.id
WHERE EXISTS (SELECT FROM job WHERE job.webhook_id = webhook.id AND job.kind = 'cancel')
    AND ($9::bigint IS NULL OR EXISTS (
        SELECT FROM job
        WHERE job.webhook_id = webhook.id AND job.kind = 'cancel'
            AND job.epoch > pending.epoch AND job.requested_at <= $9))
    AND pending.epoch >= 0 AND pending.epoch < webhook.epoch AND NOT pending.finished
    AND 'cancelled' = ANY ($3::text[])
    AND ($4::text IS NULL OR pending.event = $4)
    AND ($5::bigint IS NULL OR pending.accepted_at >= $5)
    AND ($6::bigint IS NULL OR pending.accepted_at < $6)
    AND pending.delivery_id > $7 AND pending.delivery_id < $8

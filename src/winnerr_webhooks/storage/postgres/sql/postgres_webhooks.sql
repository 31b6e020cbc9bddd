-- Webhooks and jobs, as far as PostgreSQL says them in its own way; see also shared_webhooks.sql.

-- name: any
= ANY (:%)

-- name: for_update
FOR UPDATE

-- name: live_webhooks
webhook

-- name: deleted_webhooks
webhook

-- name: undelivered
delivery

-- name: ordered_join
JOIN

-- name: clock_error_ms
1000

-- name: user
user_name

-- name: no_statuses
'{}'::text[]

-- name: take_change_mark
-- Its row stays locked until the commit, so marks become visible in their order: a reader that has
-- seen one has missed none before it. It is taken after the webhook's lock.
WITH mark AS (UPDATE meta SET value = value + 1 WHERE name = 'change_mark' RETURNING value)

-- name: changed
-- The nodes' readings of the database's clock differ by a few ms: a webhook's instants do not go
-- back.
updated_at = greatest(updated_at, :now), version = version + 1,
change_mark = (SELECT value FROM mark)

-- name: lock_organization
-- Two calls that add a webhook to an organization run one after the other. (1464358722 is "WHOB".)
SELECT pg_advisory_xact_lock(1464358722, hashtext(:organization))

-- name: add_webhook
{take_change_mark}
INSERT INTO webhook
    (id, organization, number, suffix, url, description, events, status, secret, created_at,
     updated_at, version, epoch, change_mark, name, timeout, retry_schedule,
     credentials, header_names, auth_type, filter, rate_limit, order_by,
     signing)
SELECT :id, :organization, :number, :suffix, :url, :description, :events::text[], :status,
    :secret, :now, :now, 1, 1, mark.value, :name, :timeout, :retry_schedule, :credentials,
    :header_names, :auth_type, :filter, :rate_limit, :order_by, :signing
FROM mark

-- name: subscribe
INSERT INTO subscription (organization, event, webhook_id)
SELECT :organization, event, :webhook FROM unnest(:events::text[]) AS given (event) ORDER BY event
ON CONFLICT DO NOTHING

-- name: working_webhooks
-- Webhooks of an organization that can have pending deliveries: those that are not deleted, and
-- deleted ones whose job has not yet written down that these are cancelled.
SELECT id, version FROM webhook WHERE organization = :organization AND status <> 'deleted'
UNION ALL
SELECT id, version
FROM (SELECT DISTINCT webhook_id FROM job OFFSET 0) AS busy
CROSS JOIN LATERAL (SELECT * FROM webhook WHERE id = busy.webhook_id OFFSET 0) AS webhook
WHERE organization = :organization AND status = 'deleted'

-- name: changed_since
-- The mark now, and what was changed after `since`; 0 asks for nothing that was before.
SELECT
    (SELECT value FROM meta WHERE name = 'change_mark'),
    ARRAY(SELECT id FROM webhook WHERE :since::bigint > 0 AND change_mark > :since)

-- name: add_replay_jobs
INSERT INTO job
    (kind, webhook_id, requested_at, epoch, event, statuses, accepted_since, accepted_until,
     cursor, last_run)
SELECT 'replay', id, greatest(updated_at, :now), 0, :event, :statuses::text[], :since, :until,
    :floor, {last_run}
FROM webhook
WHERE organization = :organization AND status = 'active'
    AND {wanted_webhook}
ORDER BY number

-- name: oldest_writer
-- When the first of the transactions began that may still write. One that runs for longer without
-- a transaction id only reads; and nothing is waited for longer than a minute.
(SELECT min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND usename IN (current_user, session_user)
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND xact_start > clock_timestamp()
        - CASE WHEN backend_xid IS NULL THEN interval '3 s' ELSE interval '60 s' END)

-- name: next_job
-- Jobs of one webhook run in order; webhooks take turns; a job that another node runs is skipped.
-- A job that was seen waits until every transaction has ended that began before: these may not
-- know yet of the change that the job follows, and could add to what it has gone through.
SELECT job.id, job.kind, job.webhook_id, job.requested_at, job.epoch, job.event, job.statuses,
    job.accepted_since, job.accepted_until, job.cursor, job.seen_at IS NOT NULL,
    job.report, job.reason,
    webhook.organization, webhook.status, webhook.epoch, webhook.events
FROM job JOIN webhook ON webhook.id = job.webhook_id
WHERE NOT EXISTS (
        SELECT FROM job AS earlier WHERE earlier.webhook_id = job.webhook_id AND earlier.id < job.id)
    AND (job.seen_at IS NULL OR job.seen_at <= coalesce({oldest_writer}, 'infinity'))
ORDER BY job.last_run, job.id
LIMIT 1
FOR UPDATE OF job SKIP LOCKED

-- name: see_job
-- Whether it can begin at once.
UPDATE job SET seen_at = clock_timestamp() WHERE id = :job
RETURNING seen_at <= coalesce({oldest_writer}, 'infinity')

-- name: cancel_slice
-- Write down what counts as cancelled: rows older than an epoch, all of a deleted webhook, or all of
-- a job that stops. The last of the rows that were examined, how many those were, and how many end
-- of each job. A row that has an outcome keeps it: only its replay ends here. One that is being settled at this moment is waited for, and taken
-- as it is then, or found to be settled.
WITH slice AS MATERIALIZED (
    SELECT max(delivery_id) AS last, count(*) AS examined
    FROM (
        SELECT delivery_id FROM pending WHERE webhook_id = :webhook AND delivery_id > :cursor
        ORDER BY delivery_id LIMIT :slice
    ) AS next
),
doomed AS MATERIALIZED (
    SELECT webhook_id, delivery_id FROM pending
    WHERE webhook_id = :webhook AND delivery_id > :cursor
        AND delivery_id <= (SELECT last FROM slice)
        AND (epoch >= 0 AND epoch < :epoch OR :deleted OR job = :report AND job <> '')
    ORDER BY delivery_id
    FOR UPDATE
),
gone AS (
    DELETE FROM pending USING doomed
    WHERE pending.webhook_id = doomed.webhook_id AND pending.delivery_id = doomed.delivery_id
    RETURNING pending.*
),
outcomes AS (
    INSERT INTO delivery ({settled_row})
    SELECT organization, delivery_id, webhook_id, event, 'cancelled', test, attempts, lease,
        accepted_at, :requested_at
    FROM gone ORDER BY organization, delivery_id
    ON CONFLICT (organization, id) DO UPDATE SET
        attempts = excluded.attempts, lease = excluded.lease
)
SELECT last, examined, (
    SELECT json_object_agg(job, deliveries)::text
    FROM (SELECT job, count(*) AS deliveries FROM gone WHERE job <> '' GROUP BY job) AS counted)
FROM slice

-- name: replay_slice
-- Ask for replays of the next undelivered rows that match: the last of the rows that were
-- examined, how many those were, and how many matched.
WITH undelivered AS MATERIALIZED (
    SELECT *,
        NOT test AND settled_at <= :requested_at AND status = ANY (:statuses::text[])
            AND {asked:delivery} AS matches
    FROM delivery
    WHERE webhook_id = :webhook AND id > :cursor AND id < :before
        AND status IN ('failed', 'cancelled')
    ORDER BY id LIMIT :slice
),
replays AS (
    {replay_rows}
    FROM undelivered WHERE matches ORDER BY id
    {or_one_more}
)
SELECT max(id), count(*), count(*) FILTER (WHERE matches) FROM undelivered

-- name: add_job_counts
INSERT INTO job_count AS known (report, outcome, node, deliveries)
SELECT given.report, given.outcome, :node, given.deliveries
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS given (report, outcome, deliveries)
JOIN job_report ON job_report.id = given.report
ON CONFLICT (report, outcome, node) DO UPDATE SET
    deliveries = known.deliveries + excluded.deliveries

-- name: streaks
-- The webhooks whose last attempt failed.
SELECT webhook_id, failing_since, failures FROM run

-- name: skip_locked
-- What another node tells is left to it.
FOR UPDATE OF alert_state SKIP LOCKED

-- name: skip_locked_mails
FOR UPDATE SKIP LOCKED

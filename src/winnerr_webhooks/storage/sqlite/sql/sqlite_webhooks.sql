-- Webhooks and jobs, as far as SQLite says them in its own way; see also shared_webhooks.sql.

-- name: any
IN (SELECT value FROM json_each(:%))

-- name: for_update
-- There is one writer: nothing has to be locked.

-- name: lock_organization

-- name: lock_streaks

-- name: live_webhooks
webhook INDEXED BY webhook_live

-- name: deleted_webhooks
webhook INDEXED BY webhook_deleted

-- name: undelivered
delivery INDEXED BY delivery_undelivered

-- name: ordered_join
-- The table on the left is read first.
CROSS JOIN

-- name: clock_error_ms
0

-- name: user
user

-- name: no_statuses
'[]'

-- name: take_change_mark

-- name: changed
updated_at = :now, version = version + 1, change_mark = {next_change_mark}

-- name: next_change_mark
-- It starts at 2, so that 1 can say "there was none yet" and 0 can ask "from now on".
(SELECT coalesce(max(change_mark), 1) + 1 FROM webhook)

-- name: add_webhook
INSERT INTO webhook
    (id, organization, number, url, description, events, status, secret, created_at, updated_at,
     version, epoch, change_mark, failures, name, timeout, retry_schedule, credentials,
     header_names, auth_type, filter, rate_limit, order_by,
     signing)
VALUES
    (:id, :organization, :number, :url, :description, :events, :status, :secret, :now, :now,
     1, 1, {next_change_mark}, 0, :name, :timeout, :retry_schedule, :credentials,
     :header_names, :auth_type, :filter, :rate_limit, :order_by, :signing)

-- name: subscribe
INSERT OR IGNORE INTO subscription (organization, event, webhook_id)
SELECT :organization, value, :webhook FROM json_each(:events)

-- name: working_webhooks
-- Webhooks of an organization that can have pending deliveries: those that are not deleted, and
-- deleted ones whose job has not yet written down that these are cancelled.
SELECT id FROM webhook INDEXED BY webhook_live
WHERE organization = :organization AND status <> 'deleted'
UNION ALL
SELECT webhook.id
FROM (SELECT DISTINCT webhook_id FROM job) AS busy
CROSS JOIN webhook ON webhook.id = busy.webhook_id
WHERE webhook.organization = :organization AND webhook.status = 'deleted'

-- name: any_secret
SELECT EXISTS (
    SELECT 1 FROM webhook
    WHERE secret IS NOT NULL OR next_secret IS NOT NULL OR credentials IS NOT NULL)

-- name: changed_since
-- The mark now, and what was changed after `since`; 0 asks for nothing that was before.
SELECT
    (SELECT coalesce(max(change_mark), 1) FROM webhook),
    (SELECT json_group_array(id) FROM webhook WHERE :since > 0 AND change_mark > :since)

-- name: end_streaks
UPDATE webhook SET failing_since = NULL, failures = 0
WHERE id {any:webhooks} AND failing_since IS NOT NULL

-- name: add_replay_jobs
INSERT INTO job
    (kind, webhook_id, requested_at, epoch, event, statuses, accepted_since, accepted_until,
     cursor, last_run)
SELECT 'replay', id, :now, 0, :event, :statuses, :since, :until, '', {last_run}
FROM {live_webhooks}
WHERE organization = :organization AND status <> 'deleted' AND status = 'active'
    AND {wanted_webhook}
ORDER BY number

-- name: next_job
-- Jobs of one webhook run in order; webhooks take turns. Each can begin at once.
SELECT job.id, job.kind, job.webhook_id, job.requested_at, job.epoch, job.event, job.statuses,
    job.accepted_since, job.accepted_until, job.cursor, true, job.report, job.reason,
    webhook.organization, webhook.status, webhook.epoch, webhook.events
FROM job LEFT JOIN webhook ON webhook.id = job.webhook_id
WHERE NOT EXISTS (
    SELECT 1 FROM job AS earlier WHERE earlier.webhook_id = job.webhook_id AND earlier.id < job.id)
ORDER BY job.last_run, job.id
LIMIT 1

-- name: next_pending
SELECT delivery_id FROM pending WHERE webhook_id = :webhook AND delivery_id > :cursor
ORDER BY delivery_id LIMIT :slice

-- name: cancelled_range
webhook_id = :webhook AND delivery_id > :cursor
AND delivery_id <= (SELECT max(delivery_id) FROM ({next_pending}))
AND (epoch BETWEEN 0 AND :epoch - 1 OR :deleted OR job = :report AND job <> '')

-- name: cancel_slice
-- The last of the rows that are examined, how many those are, and how many end of each job; then
-- write down those that count as cancelled: rows older than an epoch, all of a deleted webhook, or
-- all of a job that stops. A row that has an outcome keeps it: only its replay ends here.
SELECT max(delivery_id), count(*), (
    SELECT json_group_object(job, deliveries) FROM (
        SELECT job, count(*) AS deliveries FROM pending
        WHERE {cancelled_range} AND job <> '' GROUP BY job))
FROM ({next_pending});
INSERT INTO delivery ({settled_row})
SELECT organization, delivery_id, webhook_id, event, 'cancelled', test, attempts, lease,
       accepted_at, :requested_at
FROM pending WHERE {cancelled_range}
ON CONFLICT (organization, id) DO UPDATE SET attempts = excluded.attempts, lease = excluded.lease;
DELETE FROM pending WHERE {cancelled_range}

-- name: next_undelivered
SELECT *,
    NOT test AND settled_at <= :requested_at AND status {any:statuses}
    AND {asked:delivery} AS matches
FROM {undelivered}
WHERE webhook_id = :webhook AND id > :cursor AND status IN ('failed', 'cancelled')
ORDER BY id LIMIT :slice

-- name: replay_slice
-- Ask for replays of the next undelivered rows that match; then the last of the rows that were
-- examined, how many those were, and how many matched.
{replay_rows}
FROM ({next_undelivered}) WHERE matches
{or_one_more};
SELECT max(id), count(*), sum(matches) FROM ({next_undelivered})

-- name: add_job_counts
INSERT INTO job_count (report, outcome, node, deliveries)
SELECT given.column1, given.column2, '', given.column3 FROM ({rows:3}) AS given
CROSS JOIN job_report ON job_report.id = given.column1
WHERE true
ON CONFLICT (report, outcome, node) DO UPDATE SET deliveries = deliveries + excluded.deliveries

-- name: streaks
-- The webhooks whose last attempt failed.
SELECT id AS webhook_id, failing_since, failures FROM webhook WHERE failing_since IS NOT NULL

-- name: skip_locked
-- There is one writer: nothing has to be locked.

-- name: skip_locked_mails
-- Likewise.

-- Webhooks, their secrets, and the jobs that follow a change of status.

-- name: webhook_columns
id, organization, url, description, events, status, status_reason, secret IS NOT NULL,
overlap_ends_at, created_at, updated_at, version

-- name: list_webhooks
SELECT {webhook_columns} FROM webhook INDEXED BY webhook_live
WHERE organization = ? AND status <> 'deleted' ORDER BY number

-- name: working_webhooks
-- Webhooks of an organization that deliveries may wait for: those that are not deleted, and deleted
-- ones whose job has not yet written down that these deliveries are cancelled.
SELECT id FROM webhook INDEXED BY webhook_live
WHERE organization = :organization AND status <> 'deleted'
UNION ALL
SELECT webhook.id
FROM (SELECT DISTINCT webhook_id FROM job) AS busy
CROSS JOIN webhook ON webhook.id = busy.webhook_id
WHERE webhook.organization = :organization AND webhook.status = 'deleted'

-- name: get_webhook
SELECT {webhook_columns} FROM webhook
WHERE id = ? AND organization = ? AND status <> 'deleted'

-- name: count_webhooks
-- How many there are, and the number of the next one. No number is given out twice, because the
-- webhook with the highest one is never removed (see `due_removals`).
SELECT
    (SELECT count(*) FROM webhook INDEXED BY webhook_live
     WHERE organization = ?1 AND status <> 'deleted'),
    (SELECT coalesce(max(number), 0) + 1 FROM webhook WHERE organization = ?1)

-- name: next_change_mark
-- It starts at 2, so that 1 can say "there was none yet" and 0 can ask "from now on".
(SELECT coalesce(max(change_mark), 1) + 1 FROM webhook)

-- name: add_webhook
INSERT INTO webhook
    (id, organization, number, url, description, events, status, secret, created_at, updated_at,
     version, epoch, change_mark, failures)
VALUES
    (:id, :organization, :number, :url, :description, :events, 'active', :secret, :now, :now,
     1, 1, {next_change_mark}, 0)

-- name: unsubscribe
DELETE FROM subscription WHERE webhook_id = :id AND organization = :organization

-- name: subscribe
INSERT OR IGNORE INTO subscription (organization, event, webhook_id)
SELECT :organization, value, :id FROM json_each(:events)

-- name: edit_webhook
UPDATE webhook SET
    url = :url, description = :description, events = :events, updated_at = :now,
    version = version + 1, change_mark = {next_change_mark}
WHERE id = :id

-- name: enter_active
-- A run of failures from before says nothing about the webhook as it is now.
UPDATE webhook SET
    status = 'active', status_reason = NULL, failing_since = NULL, failures = 0,
    updated_at = :now, version = version + 1, change_mark = {next_change_mark}
WHERE id = :id

-- name: leave_active
UPDATE webhook SET
    status = :status, status_reason = :reason, epoch = epoch + 1,
    updated_at = :now, version = version + 1, change_mark = {next_change_mark}
WHERE id = :id

-- name: relabel
UPDATE webhook SET
    status = :status, status_reason = NULL,
    updated_at = :now, version = version + 1, change_mark = {next_change_mark}
WHERE id = :id

-- name: end_webhook
UPDATE webhook SET
    status = 'deleted', status_reason = NULL, secret = NULL, next_secret = NULL,
    overlap_ends_at = NULL, epoch = epoch + 1,
    updated_at = :now, version = version + 1, change_mark = {next_change_mark}
WHERE id = :id

-- name: get_secrets
SELECT secret, next_secret, overlap_ends_at FROM webhook
WHERE id = ? AND organization = ? AND status <> 'deleted'

-- name: put_secrets
UPDATE webhook SET
    secret = :secret, next_secret = :next_secret, overlap_ends_at = :overlap_ends_at,
    updated_at = :now, version = version + 1, change_mark = {next_change_mark}
WHERE id = :id

-- name: end_overlaps
UPDATE webhook SET secret = next_secret, next_secret = NULL, overlap_ends_at = NULL
WHERE overlap_ends_at <= :now

-- name: any_secret
SELECT EXISTS (SELECT 1 FROM webhook WHERE secret IS NOT NULL OR next_secret IS NOT NULL)

-- name: all_secrets
-- A deleted webhook has none.
SELECT id, secret FROM webhook INDEXED BY webhook_live
WHERE status <> 'deleted' AND secret IS NOT NULL
UNION ALL
SELECT id, next_secret FROM webhook INDEXED BY webhook_live
WHERE status <> 'deleted' AND next_secret IS NOT NULL

-- name: get_targets
SELECT webhook.id, organization, version, url, status, secret, next_secret, overlap_ends_at
FROM json_each(?) AS given JOIN webhook ON webhook.id = given.value

-- name: change_mark
SELECT coalesce(max(change_mark), 1) FROM webhook

-- name: changed_since
SELECT json_group_array(id) FROM webhook WHERE change_mark > ?

-- name: webhook_for_test
SELECT number, status, version, epoch FROM webhook
WHERE id = ? AND organization = ? AND status <> 'deleted'

-- name: webhook_numbered
SELECT id, status, epoch FROM webhook WHERE organization = ? AND number = ?

-- name: drop_lane
DELETE FROM lane WHERE webhook_id = ?

-- name: last_run
(SELECT coalesce(max(last_run), 0) FROM job)

-- name: add_cancel_job
INSERT INTO job (kind, webhook_id, requested_at, epoch, statuses, cursor, last_run)
SELECT 'cancel', id, :now, epoch, '[]', '', {last_run} FROM webhook WHERE id = :webhook_id

-- name: add_replay_job
INSERT INTO job
    (kind, webhook_id, requested_at, epoch, event, statuses, accepted_since, accepted_until,
     cursor, last_run)
VALUES
    ('replay', :webhook_id, :now, 0, :event, :statuses, :since, :until, '', {last_run})

-- name: next_job
-- Jobs of one webhook run in order; webhooks take turns.
SELECT id, kind, webhook_id, requested_at, epoch, event, statuses, accepted_since, accepted_until,
       cursor
FROM job
WHERE NOT EXISTS (
    SELECT 1 FROM job AS earlier WHERE earlier.webhook_id = job.webhook_id AND earlier.id < job.id)
ORDER BY last_run, id
LIMIT 1

-- name: move_job
UPDATE job SET cursor = :cursor, last_run = {last_run} + 1 WHERE id = :id

-- name: end_job
DELETE FROM job WHERE id = ?

-- name: cancel_reach
-- How far a slice goes: the ids of the next so many rows of the webhook.
SELECT max(delivery_id), count(*) FROM (
    SELECT delivery_id FROM pending WHERE webhook_id = :webhook_id AND delivery_id > :cursor
    ORDER BY delivery_id LIMIT :slice)

-- name: cancel_range
webhook_id = :webhook_id AND delivery_id > :cursor AND delivery_id <= :reach
AND (epoch BETWEEN 0 AND :epoch - 1 OR :deleted)

-- name: cancel_slice
-- One that has an outcome keeps it: only its replay ends here.
INSERT INTO delivery
    (organization, id, webhook_id, event, status, test, attempts, lease, accepted_at, settled_at)
SELECT organization, delivery_id, webhook_id, event, 'cancelled', test, attempts, lease,
       accepted_at, :requested_at
FROM pending WHERE {cancel_range}
ON CONFLICT (organization, id) DO UPDATE SET attempts = excluded.attempts, lease = excluded.lease

-- name: drop_cancelled
DELETE FROM pending WHERE {cancel_range}

-- name: replay_slice
-- The next so many of a webhook's deliveries that have no success; whether each matches.
SELECT json_group_array(json_array(id, matches)) FROM (
    SELECT id,
        NOT test AND settled_at <= :requested_at
        AND status IN (SELECT value FROM json_each(:statuses))
        AND (:event IS NULL OR event = :event)
        AND (:since IS NULL OR accepted_at >= :since)
        AND (:until IS NULL OR accepted_at < :until) AS matches
    FROM delivery INDEXED BY delivery_undelivered
    WHERE webhook_id = :webhook_id AND id > :cursor AND status IN ('failed', 'cancelled')
    ORDER BY id LIMIT :slice)

-- name: enqueue_replays
-- A row that waits already (a replay asked for before) takes the request in. A new one goes on
-- after the last lease there was, so that nobody who still holds that one can settle it.
INSERT INTO pending
    (webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until,
     lease, idle_leases, attempts, retries_used, retry_at, replay, finished)
SELECT webhook_id, id, organization, event, test, :epoch, accepted_at, :now, NULL,
       lease + 1, 0, attempts, 0, NULL, 1, 1
FROM delivery
WHERE organization = :organization AND id IN (SELECT value FROM json_each(:deliveries))
ON CONFLICT (webhook_id, delivery_id) DO UPDATE SET
    replay = pending.replay + 1,
    epoch = excluded.epoch,
    due_at = iif(pending.lease_until IS NULL, excluded.due_at, pending.due_at)

-- name: once_active
-- Webhooks of an organization that are active, or were when the replay was asked for: stopping a
-- webhook changes its row.
SELECT id, epoch FROM webhook INDEXED BY webhook_live
WHERE organization = :organization AND status <> 'deleted'
    AND (status = 'active' OR updated_at >= :asked_at) AND (:webhook IS NULL OR id = :webhook)
UNION ALL
SELECT id, epoch FROM webhook INDEXED BY webhook_deleted
WHERE organization = :organization AND status = 'deleted' AND updated_at >= :asked_at
    AND (:webhook IS NULL OR id = :webhook)

-- name: count_replays
SELECT count(*)
FROM ({once_active}) AS one CROSS JOIN delivery INDEXED BY delivery_undelivered
    ON delivery.webhook_id = one.id AND delivery.status IN ('failed', 'cancelled')
WHERE NOT delivery.test
    AND (:asked_at IS NULL OR delivery.settled_at <= :asked_at)
    AND delivery.status IN (SELECT value FROM json_each(:statuses))
    AND (:event IS NULL OR delivery.event = :event)
    AND (:since IS NULL OR delivery.accepted_at >= :since)
    AND (:until IS NULL OR delivery.accepted_at < :until)

-- name: count_cancelling
-- Cancelled by the webhook's change of status, though the job has not written it yet.
SELECT count(*)
FROM ({once_active}) AS one CROSS JOIN pending ON pending.webhook_id = one.id
WHERE EXISTS (SELECT 1 FROM job WHERE job.webhook_id = one.id AND job.kind = 'cancel')
    AND (:asked_at IS NULL OR EXISTS (
        SELECT 1 FROM job
        WHERE job.webhook_id = one.id AND job.kind = 'cancel'
            AND job.epoch > pending.epoch AND job.requested_at <= :asked_at))
    AND pending.epoch BETWEEN 0 AND one.epoch - 1 AND NOT pending.finished
    AND 'cancelled' IN (SELECT value FROM json_each(:statuses))
    AND (:event IS NULL OR pending.event = :event)
    AND (:since IS NULL OR pending.accepted_at >= :since)
    AND (:until IS NULL OR pending.accepted_at < :until)

-- name: replayable_webhooks
SELECT json_group_array(id) FROM webhook INDEXED BY webhook_live
WHERE organization = :organization AND status <> 'deleted' AND status = 'active'
    AND (:webhook IS NULL OR id = :webhook)

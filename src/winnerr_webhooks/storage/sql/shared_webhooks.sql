-- Webhooks, their secrets, and the jobs that follow a change of status.
--
-- Each change takes the next change mark ({take_change_mark}, {changed}). What locks rows says
-- {for_update}: on SQLite there is only one writer, so that is empty there.

-- name: webhook_columns
id, organization, url, description, events, status, status_reason, secret IS NOT NULL,
overlap_ends_at, created_at, updated_at, version, name, timeout, retry_schedule, header_names, auth_type,
filter, rate_limit, order_by, signing

-- name: list_webhooks
SELECT {webhook_columns} FROM {live_webhooks}
WHERE organization = :organization AND status <> 'deleted' AND listener IS NULL ORDER BY number

-- name: get_webhook
SELECT {webhook_columns} FROM webhook
WHERE id = :webhook AND organization = :organization AND status <> 'deleted'

-- name: lock_webhook
{get_webhook} {for_update}

-- name: lock_active_webhooks
SELECT id FROM webhook WHERE id {any:webhooks} AND status = 'active' ORDER BY id {for_update}

-- name: is_own_webhook
SELECT EXISTS (SELECT 1 FROM webhook WHERE id = :webhook AND organization = :organization)

-- name: webhook_numbered
SELECT id, status, epoch FROM webhook WHERE organization = :organization AND number = :number

-- name: count_webhooks
-- How many there are, and the number of the next one. No number is given out twice, because the
-- webhook with the highest one is never removed (see `due_removals`).
SELECT
    (SELECT count(*) FROM {live_webhooks}
     WHERE organization = :organization AND status <> 'deleted' AND listener IS NULL),
    (SELECT coalesce(max(number), 0) + 1 FROM webhook WHERE organization = :organization)

-- name: unsubscribe
DELETE FROM subscription WHERE organization = :organization AND webhook_id = :webhook

-- name: edit_webhook
{take_change_mark}
UPDATE webhook SET
    url = :url, description = :description, events = :events, name = :name, timeout = :timeout,
    retry_schedule = :retry_schedule, filter = :filter, rate_limit = :rate_limit,
    order_by = :order_by, {changed}
WHERE id = :webhook

-- name: enter_active
{take_change_mark}
UPDATE webhook SET status = 'active', status_reason = NULL, {changed} WHERE id = :webhook

-- name: leave_active
{take_change_mark}
UPDATE webhook SET status = :status, status_reason = :reason, epoch = epoch + 1, {changed}
WHERE id = :webhook

-- name: relabel
{take_change_mark}
UPDATE webhook SET status = :status, status_reason = NULL, {changed} WHERE id = :webhook

-- name: end_webhook
{take_change_mark}
UPDATE webhook SET
    status = 'deleted', status_reason = NULL, secret = NULL, next_secret = NULL, signing = NULL,
    overlap_ends_at = NULL, credentials = NULL, header_names = NULL, auth_type = NULL,
    epoch = epoch + 1, {changed}
WHERE id = :webhook

-- name: get_secrets
SELECT secret, next_secret, overlap_ends_at FROM webhook
WHERE id = :webhook AND organization = :organization AND status <> 'deleted'

-- name: lock_secrets
{get_secrets} {for_update}

-- name: put_secrets
{take_change_mark}
UPDATE webhook SET
    secret = :secret, next_secret = :next_secret, overlap_ends_at = :overlap_ends_at,
    signing = :signing, {changed}
WHERE id = :webhook

-- name: all_secrets
-- A deleted webhook has none.
SELECT id, secret FROM {live_webhooks} WHERE status <> 'deleted' AND secret IS NOT NULL
UNION ALL
SELECT id, next_secret FROM {live_webhooks} WHERE status <> 'deleted' AND next_secret IS NOT NULL
UNION ALL
SELECT id, credentials FROM {live_webhooks} WHERE status <> 'deleted' AND credentials IS NOT NULL

-- name: get_credentials
SELECT credentials FROM webhook WHERE id = :webhook

-- name: put_credentials
{take_change_mark}
UPDATE webhook SET
    credentials = :credentials, header_names = :header_names, auth_type = :auth_type, {changed}
WHERE id = :webhook

-- name: get_targets
SELECT id, organization, version, url, status, secret, next_secret, overlap_ends_at,
    listener IS NOT NULL, timeout, retry_schedule, credentials, rate_limit
FROM webhook WHERE id {any:webhooks}

-- name: last_run
(SELECT coalesce(max(last_run), 0) FROM job)

-- name: add_cancel_job
INSERT INTO job (kind, webhook_id, requested_at, epoch, statuses, cursor, last_run, reason)
SELECT 'cancel', id, updated_at, epoch, {no_statuses}, '', {last_run}, status
FROM webhook WHERE id = :webhook

-- name: move_job
UPDATE job SET cursor = :cursor, last_run = {last_run} + 1 WHERE id = :job

-- name: end_job
DELETE FROM job WHERE id = :job

-- name: keep_webhooks
UPDATE webhook SET kept_until = :until WHERE id {any:webhooks}

-- name: drop_lanes
DELETE FROM lane WHERE webhook_id {any:webhooks}

-- name: drop_turns
DELETE FROM lane_turn WHERE webhook_id {any:webhooks}

-- name: remove_health
DELETE FROM health WHERE webhook_id {any:webhooks}

-- name: remove_webhooks
DELETE FROM webhook WHERE id {any:webhooks}

-- name: wanted_webhook
-- The one that is asked for; else all but those of listeners.
(id = :webhook OR (CAST(:webhook AS text) IS NULL AND listener IS NULL))

-- name: once_active
-- Webhooks of an organization that are active, or were when the replay was asked for: stopping a
-- webhook changes its row. The clock that dates the replay may differ from the database's. Counting
-- a webhook that was stopped just before, as not sent, is better than leaving out one that was
-- stopped since, as delivered.
SELECT id, epoch FROM {live_webhooks}
WHERE organization = :organization AND status <> 'deleted'
    AND (status = 'active' OR updated_at >= CAST(:asked_at AS bigint) - {clock_error_ms})
    AND {wanted_webhook}
UNION ALL
SELECT id, epoch FROM {deleted_webhooks}
WHERE organization = :organization AND status = 'deleted'
    AND updated_at >= CAST(:asked_at AS bigint) - {clock_error_ms}
    AND {wanted_webhook}

-- name: has_prefix
-- Whether the asked event is a pattern such as `contact.*` that a row's event matches. The name of an
-- event type has no `*`, so it never equals what this makes of a row's event.
substr(%.event, 1, length(:event) - 1) || '*' = :event

-- name: asked
-- Whether a row of a table has the event and the time of acceptance that are asked for.
(CAST(:event AS text) IS NULL OR %.event = :event OR {has_prefix:%})
AND (CAST(:since AS bigint) IS NULL OR %.accepted_at >= :since)
AND (CAST(:until AS bigint) IS NULL OR %.accepted_at < :until)

-- name: replayed
-- Deliveries of webhooks `one` that a replay of many goes through.
delivery.status IN ('failed', 'cancelled') AND delivery.status {any:statuses}
    AND (CAST(:asked_at AS bigint) IS NULL OR delivery.settled_at <= :asked_at)
    AND NOT delivery.test AND {asked:delivery}
    AND delivery.id > :floor AND delivery.id < :before

-- name: count_replays
SELECT count(*)
FROM ({once_active}) AS one {ordered_join} {undelivered} ON delivery.webhook_id = one.id
WHERE {replayed}

-- name: replay_waits
-- Whether a delivery that a replay goes through still has its attempt to come: it is pending, or
-- the job has not come to it yet. With an OFFSET, PostgreSQL does not read all of `pending` instead.
(EXISTS (
    SELECT 1 FROM pending
    WHERE pending.webhook_id = one.id AND pending.delivery_id = delivery.id
        AND pending.epoch = one.epoch LIMIT 1 OFFSET 0)
OR EXISTS (
    SELECT 1 FROM job
    WHERE job.webhook_id = one.id AND job.kind = 'replay' AND job.cursor < delivery.id))

-- name: count_waiting_replays
SELECT count(*)
FROM ({once_active}) AS one {ordered_join} {undelivered} ON delivery.webhook_id = one.id
WHERE {replayed} AND {replay_waits}

-- name: count_vain_replays
SELECT count(*)
FROM ({once_active}) AS one {ordered_join} {undelivered} ON delivery.webhook_id = one.id
WHERE {replayed} AND NOT {replay_waits}
    AND EXISTS (
        SELECT 1 FROM attempt
        WHERE attempt.delivery_id = delivery.id AND attempt.id >= :first_attempt
            AND attempt.trigger = 'replay')

-- name: count_cancelling
-- Cancelled by the webhook's change of status, though the job has not written it yet.
SELECT count(*)
FROM ({once_active}) AS one {ordered_join} pending ON pending.webhook_id = one.id
WHERE EXISTS (SELECT 1 FROM job WHERE job.webhook_id = one.id AND job.kind = 'cancel')
    AND (CAST(:asked_at AS bigint) IS NULL OR EXISTS (
        SELECT 1 FROM job
        WHERE job.webhook_id = one.id AND job.kind = 'cancel'
            AND job.epoch > pending.epoch AND job.requested_at <= :asked_at))
    AND pending.epoch >= 0 AND pending.epoch < one.epoch AND NOT pending.finished
    AND CAST('cancelled' AS text) {any:statuses} AND {asked:pending}
    AND pending.delivery_id > :floor AND pending.delivery_id < :before

-- name: drop_idempotency
-- An entry that is being accepted again at this moment is not old any more.
DELETE FROM idempotency
WHERE at < :before AND (organization, client_id) IN (
    SELECT organization, client_id FROM idempotency WHERE at < :before LIMIT :slice)

-- name: replay_rows
-- A new row counts leases on from the last one, so that nobody who still holds that can settle it.
INSERT INTO pending AS known ({pending_row})
SELECT webhook_id, id, organization, event, test, CAST(:epoch AS integer), accepted_at,
    CAST(:now AS bigint), CAST(NULL AS bigint), lease + 1, 0, attempts, 0, CAST(NULL AS bigint), 1,
    true

-- name: or_one_more
-- A row that is pending already (a replay asked for before) takes the request in.
ON CONFLICT (webhook_id, delivery_id) DO UPDATE SET
    replay = known.replay + 1,
    epoch = excluded.epoch,
    due_at = CASE WHEN known.lease_until IS NULL THEN excluded.due_at ELSE known.due_at END

-- name: enqueue_replay
{replay_rows} FROM delivery WHERE organization = :organization AND id = :delivery {or_one_more}

-- name: due_removals
-- Deleted webhooks that are due for a check, and whether something needs them: what is pending, a
-- job, an attempt, or a delivery without one (one that was delivered has an attempt, no older than
-- it is). The highest number of an organization stays, so that it is not given out twice.
SELECT webhook.id,
    EXISTS (SELECT 1 FROM pending WHERE pending.webhook_id = webhook.id {one_look})
    OR EXISTS (SELECT 1 FROM job WHERE job.webhook_id = webhook.id {one_look})
    OR EXISTS (
        SELECT 1 FROM attempt {by:attempt_webhook} WHERE attempt.webhook_id = webhook.id {one_look})
    OR EXISTS (
        SELECT 1 FROM {undelivered}
        WHERE delivery.webhook_id = webhook.id AND delivery.status IN ('failed', 'cancelled')
        {one_look})
    OR number = (
        SELECT max(number) FROM webhook AS other WHERE other.organization = webhook.organization)
    OR {has_last_mark}
FROM webhook {by:webhook_removal}
WHERE status = 'deleted' AND coalesce(kept_until, updated_at + 86400000) <= :now
ORDER BY coalesce(kept_until, updated_at + 86400000)
LIMIT :slice

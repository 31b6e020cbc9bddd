-- Webhooks, their secrets, and the jobs that follow a change of status.
--
-- Each change takes the next change mark ({take_change_mark}, {changed}). What locks rows says
-- {for_update}: on SQLite there is only one writer, so that is empty there.

-- name: webhook_columns
id, organization, url, description, events, status, status_reason, secret IS NOT NULL,
overlap_ends_at, created_at, updated_at, version

-- name: list_webhooks
SELECT {webhook_columns} FROM {live_webhooks}
WHERE organization = :organization AND status <> 'deleted' ORDER BY number

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
     WHERE organization = :organization AND status <> 'deleted'),
    (SELECT coalesce(max(number), 0) + 1 FROM webhook WHERE organization = :organization)

-- name: unsubscribe
DELETE FROM subscription WHERE organization = :organization AND webhook_id = :webhook

-- name: edit_webhook
{take_change_mark}
UPDATE webhook SET url = :url, description = :description, events = :events, {changed}
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
    status = 'deleted', status_reason = NULL, secret = NULL, next_secret = NULL,
    overlap_ends_at = NULL, epoch = epoch + 1, {changed}
WHERE id = :webhook

-- name: get_secrets
SELECT secret, next_secret, overlap_ends_at FROM webhook
WHERE id = :webhook AND organization = :organization AND status <> 'deleted'

-- name: lock_secrets
{get_secrets} {for_update}

-- name: put_secrets
{take_change_mark}
UPDATE webhook SET
    secret = :secret, next_secret = :next_secret, overlap_ends_at = :overlap_ends_at, {changed}
WHERE id = :webhook

-- name: all_secrets
-- A deleted webhook has none.
SELECT id, secret FROM {live_webhooks} WHERE status <> 'deleted' AND secret IS NOT NULL
UNION ALL
SELECT id, next_secret FROM {live_webhooks} WHERE status <> 'deleted' AND next_secret IS NOT NULL

-- name: get_targets
SELECT id, organization, version, url, status, secret, next_secret, overlap_ends_at
FROM webhook WHERE id {any:webhooks}

-- name: last_run
(SELECT coalesce(max(last_run), 0) FROM job)

-- name: add_cancel_job
INSERT INTO job (kind, webhook_id, requested_at, epoch, statuses, cursor, last_run)
SELECT 'cancel', id, updated_at, epoch, {no_statuses}, '', {last_run}
FROM webhook WHERE id = :webhook

-- name: move_job
UPDATE job SET cursor = :cursor, last_run = {last_run} + 1 WHERE id = :job

-- name: end_job
DELETE FROM job WHERE id = :job

-- name: keep_webhooks
UPDATE webhook SET kept_until = :until WHERE id {any:webhooks}

-- name: drop_lanes
DELETE FROM lane WHERE webhook_id {any:webhooks}

-- name: remove_health
DELETE FROM health WHERE webhook_id {any:webhooks}

-- name: remove_webhooks
DELETE FROM webhook WHERE id {any:webhooks}

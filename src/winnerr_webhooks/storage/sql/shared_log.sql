-- Reading the log: the words and the look-ups that both databases share.

-- name: stopped
-- Whether the webhook stopped being active after the delivery was asked for.
(webhook.status = 'deleted' OR pending.epoch NOT IN (webhook.epoch, -1))

-- name: delivery_status
CASE
    WHEN pending.delivery_id IS NULL OR pending.finished THEN coalesce(delivery.status, 'failed')
    WHEN {stopped} THEN 'cancelled'
    ELSE 'pending'
END

-- name: next_attempt_at
CASE WHEN {stopped} THEN NULL ELSE pending.due_at END

-- name: delivery_of_attempt
SELECT delivery_id FROM attempt WHERE id = :id AND organization = :organization

-- name: event_time
SELECT accepted_at FROM event WHERE id = :id AND organization = :organization

-- name: get_event
SELECT id, organization, name, client_id, accepted_at, body FROM event
WHERE id = :id AND organization = :organization

-- name: probe
UPDATE meta SET value = :now WHERE name = 'probed_at'

-- The verbs of an event's road, as far as both databases share them.

-- name: pending_row
webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until, lease,
idle_leases, attempts, retries_used, retry_at, replay, finished

-- name: settled_row
organization, id, webhook_id, event, status, test, attempts, lease, accepted_at, settled_at

-- name: webhook_for_test
SELECT number, version FROM webhook
WHERE id = :webhook AND organization = :organization AND status <> 'deleted'

-- name: put_test_event
INSERT INTO event (id, organization, name, accepted_at, body)
VALUES (:id, :organization, :name, :now, :body)

-- name: put_test
INSERT INTO pending ({pending_row})
VALUES (:webhook, :delivery, :organization, :name, true, :epoch, :now, :now, :lease_until, :lease,
    :lease, 0, 0, :now, 0, false)

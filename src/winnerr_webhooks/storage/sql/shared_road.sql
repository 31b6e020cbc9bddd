-- The verbs of an event's road, as far as both databases share them.

-- name: pending_row
webhook_id, delivery_id, organization, event, test, epoch, accepted_at, due_at, lease_until, lease,
idle_leases, attempts, retries_used, retry_at, replay, finished

-- name: more_pending
job, order_key, order_number

-- name: parked
-- When a delivery is due that another one holds: see `storage.ordering`.
9000000000000000

-- name: settled_row
organization, id, webhook_id, event, status, test, attempts, lease, accepted_at, settled_at

-- name: webhook_for_test
SELECT number, version, rate_limit IS NOT NULL FROM webhook
WHERE id = :webhook AND organization = :organization AND status <> 'deleted'

-- name: end_hold
-- A webhook with a rate limit that waits longer than for its next turns does so because its receiver
-- asked for it.
UPDATE lane_turn SET next_turn_at = CAST(:now AS bigint) + (
    SELECT 1000 / rate_limit FROM webhook WHERE id = :webhook)
WHERE webhook_id = :webhook AND next_turn_at > CAST(:now AS bigint) + (
    SELECT 1000 + 2000 / rate_limit FROM webhook WHERE id = :webhook)

-- name: add_turn
-- For a webhook with a rate limit or an order.
INSERT INTO lane_turn (webhook_id, next_turn_at) VALUES (:webhook, 0) ON CONFLICT DO NOTHING

-- name: put_test_event
INSERT INTO event (id, organization, name, accepted_at, body)
VALUES (:id, :organization, :name, :now, :body)

-- name: put_test
INSERT INTO pending ({pending_row})
VALUES (:webhook, :delivery, :organization, :name, true, :epoch, :now, :now, :lease_until, :lease,
    :lease, 0, 0, :now, 0, false)

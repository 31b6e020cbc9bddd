-- Listeners: webhooks whose attempts are made by a program that is connected.

-- name: of_listeners
listener IS NOT NULL AND status <> 'deleted'

-- name: find_listener
SELECT id FROM webhook
WHERE organization = :organization AND listener = :identity AND {of_listeners}

-- name: count_listeners
SELECT count(*) FROM webhook WHERE organization = :organization AND {of_listeners}

-- name: longest_unseen_listener
SELECT id FROM webhook
WHERE organization = :organization AND status <> 'active' AND {of_listeners}
ORDER BY listener_seen_at, id LIMIT 1

-- name: name_listener
UPDATE webhook SET listener = :identity, listener_seen_at = :now WHERE id = :webhook

-- name: see_listeners
-- Nodes that see the same listeners lock them in one order.
UPDATE webhook SET listener_seen_at = :now
WHERE id IN (
    SELECT id FROM webhook WHERE id {any:webhooks} AND status = 'active' ORDER BY id {for_update})

-- name: due_listeners
SELECT webhook_id FROM lane WHERE webhook_id {any:webhooks} AND next_due_at <= :now

-- name: is_stale_listener
-- Whether nobody was connected for too long, or too much waits.
(listener_seen_at < :before
    OR EXISTS (
        SELECT 1 FROM pending WHERE pending.webhook_id = webhook.id
        LIMIT 1 OFFSET :most_waiting))

-- name: stale_listeners
-- `>= 0`: SQLite then reads the index of listeners, and not all webhooks.
SELECT id, organization FROM webhook
WHERE listener IS NOT NULL AND status = 'active' AND listener_seen_at >= 0 AND {is_stale_listener}
ORDER BY listener_seen_at LIMIT :slice

-- name: lock_stale_listeners
SELECT id FROM webhook
WHERE id {any:webhooks} AND listener IS NOT NULL AND status = 'active' AND {is_stale_listener}
ORDER BY id {for_update}

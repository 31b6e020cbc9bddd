-- The activity log: who did what.

-- name: add_activity
-- Names and URLs are those of now, since keys, webhooks and their names change.
INSERT INTO activity (
    id, organization, action, webhook_id, webhook_url, webhook_name, subject, actor_kind, actor_id, actor_name,
    address, changes, details)
SELECT
    :id, :organization, :action, :webhook,
    (SELECT url FROM webhook WHERE id = :webhook), (SELECT name FROM webhook WHERE id = :webhook),
    :subject, :actor_kind, :actor_id,
    coalesce(:actor_name, (SELECT name FROM api_key WHERE id = :actor_id)),
    :address, :changes, :details
WHERE NOT EXISTS (SELECT 1 FROM webhook WHERE id = :webhook AND listener IS NOT NULL)

-- name: list_activity
SELECT id, organization, action, webhook_id, webhook_url, webhook_name, subject, actor_kind, actor_id, actor_name,
    address, changes, details
FROM (
    SELECT * FROM activity
    WHERE organization = :organization AND id < :before AND id >= :floor
    ORDER BY id DESC LIMIT :most) AS examined
WHERE (CAST(:webhook AS text) IS NULL OR webhook_id = :webhook)
    AND (CAST(:action AS text) IS NULL OR action = :action)
    AND (CAST(:actor AS text) IS NULL OR :actor IN (actor_id, actor_name, actor_kind))
ORDER BY id DESC LIMIT :limit

-- name: activity_after
-- The last row that `list_activity` has examined, if there are more.
SELECT id FROM activity
WHERE organization = :organization AND id < :before AND id >= :floor
ORDER BY id DESC LIMIT 1 OFFSET :skipped

-- name: drop_activity
DELETE FROM activity WHERE id IN (
    SELECT id FROM activity WHERE id < :floor ORDER BY id LIMIT :slice)

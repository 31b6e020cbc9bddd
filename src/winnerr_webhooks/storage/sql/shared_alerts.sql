-- Operational events and mails: see storage/alert_queries.py.

-- name: get_alert_settings
SELECT emails, event_names, language FROM alert_settings WHERE organization = :organization

-- name: put_alert_settings
INSERT INTO alert_settings (organization, emails, event_names, language)
VALUES (:organization, :emails, :event_names, :language)
ON CONFLICT (organization) DO UPDATE SET
    emails = excluded.emails, event_names = excluded.event_names, language = excluded.language

-- name: note_failures
-- Of one webhook: how many deliveries failed, and whether settling has disabled it.
INSERT INTO alert_state (webhook_id, state, since, told, failed, failed_told_at)
VALUES (:webhook, :state, :now, 0, :failed, 0)
ON CONFLICT (webhook_id) DO UPDATE SET
    failed = alert_state.failed + excluded.failed,
    state = CASE WHEN excluded.state = '' THEN alert_state.state ELSE excluded.state END,
    since = CASE WHEN excluded.state = '' THEN alert_state.since ELSE excluded.since END,
    told = CASE WHEN excluded.state = '' THEN alert_state.told ELSE 0 END

-- name: disabled_webhooks
SELECT webhook_id, since FROM alert_state WHERE state <> '' AND state = 'disabled' AND told = 0
ORDER BY webhook_id LIMIT :most {skip_locked}

-- name: mark_disabled
UPDATE alert_state SET told = 1 WHERE webhook_id {any:webhooks}

-- name: recovered_webhooks
-- Active webhooks that had a success after the event that said that they fail or are disabled. A
-- success after the state began is in a later bucket of the health figures, or another one will be.
SELECT alert_state.webhook_id, alert_state.since
FROM alert_state JOIN webhook ON webhook.id = alert_state.webhook_id
WHERE alert_state.state <> '' AND alert_state.told = 1 AND webhook.status = 'active'
    AND NOT EXISTS (
        SELECT 1 FROM ({streaks}) AS streak
        WHERE streak.webhook_id = alert_state.webhook_id
            AND streak.failing_since = alert_state.since)
    AND EXISTS (
        SELECT 1 FROM health
        WHERE health.webhook_id = alert_state.webhook_id
            AND health.starts_at > alert_state.since AND health.succeeded > 0)
ORDER BY alert_state.webhook_id LIMIT :most {skip_locked}

-- name: mark_recovered
UPDATE alert_state SET state = '' WHERE webhook_id {any:webhooks}

-- name: failing_webhooks
SELECT streak.webhook_id, streak.failing_since, streak.failures
FROM ({streaks}) AS streak JOIN webhook ON webhook.id = streak.webhook_id
LEFT JOIN alert_state ON alert_state.webhook_id = streak.webhook_id
WHERE streak.failing_since <= :before AND streak.failures >= :least AND webhook.status = 'active'
    AND webhook.organization <> :operator AND coalesce(alert_state.state, '') <> 'failing'
ORDER BY streak.webhook_id LIMIT :most

-- name: mark_failing
-- Of two nodes that do this at once, the second changes no row. Nor does this change the row of a
-- webhook that was disabled: the event about that comes first.
INSERT INTO alert_state (webhook_id, state, since, told, failed, failed_told_at)
VALUES (:webhook, 'failing', :since, 1, 0, 0)
ON CONFLICT (webhook_id) DO UPDATE SET state = 'failing', since = excluded.since, told = 1
WHERE alert_state.state <> 'failing'
    AND NOT (alert_state.state = 'disabled' AND alert_state.told = 0)

-- name: webhooks_with_failed
SELECT webhook_id, failed FROM alert_state WHERE failed > 0 AND failed_told_at <= :before
ORDER BY failed_told_at LIMIT :most {skip_locked}

-- name: mark_failed
UPDATE alert_state SET failed = 0, failed_told_at = :now WHERE webhook_id {any:webhooks}

-- name: webhooks_of_alerts
-- With the mail settings of their organizations; without deleted webhooks.
SELECT webhook.id, webhook.organization, webhook.name, webhook.url, webhook.status_reason,
    alert_settings.emails, alert_settings.event_names, alert_settings.language
FROM webhook LEFT JOIN alert_settings ON alert_settings.organization = webhook.organization
WHERE webhook.id {any:webhooks} AND webhook.status <> 'deleted'

-- name: add_alert
INSERT INTO alert (id, event, at, data) VALUES (:id, :event, :now, :data)

-- name: add_alert_mail
INSERT INTO alert_mail (alert, email, language, event, at, data, attempts, due_at)
VALUES (:id, :email, :language, :event, :now, :data, 0, :now)

-- name: waiting_alerts
SELECT id, event, at, data FROM alert ORDER BY id LIMIT :most

-- name: drop_alert
DELETE FROM alert WHERE id = :id

-- name: due_mails
SELECT alert, email, language, event, at, data, attempts FROM alert_mail WHERE due_at <= :now
ORDER BY due_at LIMIT :most {skip_locked_mails}

-- name: hold_mail
UPDATE alert_mail SET due_at = :due_at, attempts = attempts + 1
WHERE alert = :alert AND email = :email

-- name: delay_mail
UPDATE alert_mail SET due_at = :due_at WHERE alert = :alert AND email = :email

-- name: drop_mail
DELETE FROM alert_mail WHERE alert = :alert AND email = :email

-- name: drop_alert_states
DELETE FROM alert_state WHERE webhook_id {any:webhooks}

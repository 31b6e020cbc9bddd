-- Rehearsals, and the answers to their requests.

-- name: is_rehearsing
SELECT EXISTS (SELECT 1 FROM rehearsal WHERE organization = :organization AND ended_at IS NULL)

-- name: add_rehearsal
INSERT INTO rehearsal (id, organization, webhook_id, url, requested_at, lease_until)
VALUES (:rehearsal, :organization, :webhook, :url, :now, 0)

-- name: last_attempts_of
SELECT id, delivery_id, event, attempt FROM attempt {by:attempt_webhook}
WHERE webhook_id = :webhook AND organization = :organization AND trigger <> 'test'
ORDER BY id DESC LIMIT :most

-- name: add_rehearsal_answer
INSERT INTO rehearsal_answer (rehearsal, position, delivery_id, attempt_id, event, attempt)
VALUES (:rehearsal, :position, :delivery, :attempt_id, :event, :attempt)

-- name: rehearsal_columns
id, organization, webhook_id, url, requested_at, cancelled_at, ended_at

-- name: free_rehearsal
SELECT {rehearsal_columns} FROM rehearsal WHERE ended_at IS NULL AND lease_until < :now
ORDER BY lease_until LIMIT 1 {for_update}

-- name: held_rehearsal
SELECT {rehearsal_columns} FROM rehearsal WHERE id = :rehearsal AND ended_at IS NULL {for_update}

-- name: lease_rehearsal
UPDATE rehearsal SET lease_until = :until WHERE id = :rehearsal

-- name: next_rehearsal_event
SELECT position, delivery_id, event, attempt,
    (SELECT body FROM event WHERE event.id = 'evt_' || substr(delivery_id, 5, 26))
FROM rehearsal_answer
WHERE rehearsal = :rehearsal AND answered_at IS NULL
ORDER BY position LIMIT 1

-- name: put_rehearsal_answer
UPDATE rehearsal_answer SET
    answered_at = :now, outcome = :outcome, status = :status, duration_ms = :duration_ms,
    error_message = :error_message, body_start = :body_start
WHERE rehearsal = :rehearsal AND position = :position AND answered_at IS NULL

-- name: cancel_rehearsal
UPDATE rehearsal SET cancelled_at = :now, ended_at = :now
WHERE id = :rehearsal AND organization = :organization AND ended_at IS NULL

-- name: end_rehearsal
UPDATE rehearsal SET ended_at = :now WHERE id = :rehearsal AND ended_at IS NULL

-- name: get_rehearsal
SELECT {rehearsal_columns} FROM rehearsal WHERE id = :rehearsal AND organization = :organization

-- name: rehearsal_answers
-- Each answer beside the recorded attempt, as far as that is still in the log.
SELECT given.delivery_id, given.attempt_id, given.event, given.outcome, given.status,
    given.duration_ms, given.error_message, given.body_start, attempt.id IS NOT NULL,
    attempt.outcome, attempt.status, attempt.duration_ms, attempt.error_message,
    substr(attempt.response_body, 1, CAST(:most AS integer))
FROM rehearsal_answer AS given
LEFT JOIN attempt ON attempt.organization = :organization AND attempt.id = given.attempt_id
WHERE given.rehearsal = :rehearsal
ORDER BY given.position

-- name: drop_rehearsal_answers
DELETE FROM rehearsal_answer WHERE rehearsal IN (
    SELECT id FROM rehearsal WHERE id < :floor ORDER BY id LIMIT :slice)

-- name: drop_rehearsals
DELETE FROM rehearsal WHERE id IN (
    SELECT id FROM rehearsal WHERE id < :floor ORDER BY id LIMIT :slice)

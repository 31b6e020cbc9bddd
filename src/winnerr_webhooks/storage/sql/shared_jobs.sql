-- Recoveries, and the reports of what became of their deliveries.

-- name: add_recover_job
INSERT INTO job
    (kind, webhook_id, requested_at, epoch, statuses, accepted_since, accepted_until, cursor,
     last_run, report)
VALUES
    ('recover', :webhook, :requested_at, 0, :statuses, :since, :until, :floor, {last_run}, :report)

-- name: add_stop_job
INSERT INTO job (kind, webhook_id, requested_at, epoch, statuses, cursor, last_run, report, reason)
SELECT 'stop', webhook_id, CAST(:now AS bigint), 0, {no_statuses}, '', {last_run}, id, 'stopped'
FROM job_report WHERE id = :report

-- name: is_collecting
SELECT EXISTS (SELECT 1 FROM job WHERE webhook_id = :webhook AND kind = 'recover')

-- name: next_to_recover
-- The next undelivered rows of a webhook, and whether each is asked for.
SELECT id, event,
    NOT test AND settled_at <= :requested_at AND status {any:statuses}
        AND {asked:delivery} AS matches
FROM {undelivered}
WHERE webhook_id = :webhook AND id > :cursor AND id < :before
    AND status IN ('failed', 'cancelled')
ORDER BY id LIMIT :slice

-- name: these_deliveries
-- The bounds let PostgreSQL look into the days of these ids only.
organization = :organization AND id {any:ids} AND id >= :first AND id <= :last

-- name: lock_undelivered
-- Those of these deliveries that no success has made `delivered` since.
SELECT id FROM delivery
WHERE {these_deliveries} AND status IN ('failed', 'cancelled') {for_update}

-- name: recover_rows
-- With the whole retry schedule to come. A row that is pending already waits for a replay: the next
-- attempt serves that too. A replay that is being attempted is followed by the schedule.
INSERT INTO pending AS known ({pending_row}, job)
SELECT webhook_id, id, organization, event, test, CAST(:epoch AS integer), accepted_at,
    CAST(:now AS bigint), CAST(NULL AS bigint), lease + 1, 0, attempts, 0, CAST(:now AS bigint), 0,
    false, CAST(:report AS text)
FROM delivery WHERE {these_deliveries}
ON CONFLICT (webhook_id, delivery_id) DO UPDATE SET
    epoch = excluded.epoch, retries_used = 0, retry_at = excluded.retry_at, finished = false,
    job = excluded.job, idle_leases = 0, order_key = NULL,
    replay = CASE WHEN known.lease_until IS NULL THEN 0 ELSE known.replay END,
    due_at = CASE WHEN known.lease_until IS NULL THEN excluded.due_at ELSE known.due_at END

-- name: drop_outcomes
DELETE FROM delivery WHERE {these_deliveries}

-- name: count_arrived
-- How many of the newest deliveries of an organization in a time were looked at, and how many of
-- these were delivered to one webhook.
SELECT count(*),
    coalesce(sum(CASE WHEN webhook_id = :webhook AND status = 'delivered' AND NOT test
        AND {asked:newest} THEN 1 ELSE 0 END), 0)
FROM (
    SELECT webhook_id, event, status, test, accepted_at FROM delivery
    WHERE organization = :organization AND id > :floor AND id < :before
    ORDER BY id DESC LIMIT :most
) AS newest

-- name: add_report
INSERT INTO job_report
    (id, organization, webhook_id, kind, requested_at, accepted_since, accepted_until, planned)
VALUES (:report, :organization, :webhook, 'recover', :requested_at, :since, :until, :planned)

-- name: report_columns
id, kind, organization, webhook_id, requested_at, accepted_since, accepted_until, planned,
collected_at, cancelled_at

-- name: get_report
SELECT {report_columns} FROM job_report WHERE id = :report AND organization = :organization

-- name: lock_report
{get_report} {for_update}

-- name: list_reports
SELECT {report_columns} FROM job_report
WHERE organization = :organization AND (CAST(:webhook AS text) IS NULL OR webhook_id = :webhook)
ORDER BY id DESC LIMIT :limit

-- name: counts_of
SELECT report, outcome, CAST(sum(deliveries) AS bigint)
FROM job_count WHERE report {any:reports} GROUP BY report, outcome

-- name: end_collecting
UPDATE job_report SET collected_at = :now WHERE id = :report

-- name: cancel_report
UPDATE job_report SET cancelled_at = :now WHERE id = :report

-- name: drop_counts
DELETE FROM job_count WHERE report IN (
    SELECT id FROM job_report WHERE requested_at < :before ORDER BY requested_at LIMIT :slice)

-- name: drop_reports
DELETE FROM job_report WHERE id IN (
    SELECT id FROM job_report WHERE requested_at < :before ORDER BY requested_at LIMIT :slice)

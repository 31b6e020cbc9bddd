-- What became of the deliveries that a job sends again, for people to read.

CREATE TABLE job_report (
    id             TEXT PRIMARY KEY,
    organization   TEXT NOT NULL,
    webhook_id     TEXT NOT NULL,
    kind           TEXT NOT NULL,      -- recover
    requested_at   INTEGER NOT NULL,
    accepted_since INTEGER,
    accepted_until INTEGER,
    planned        INTEGER NOT NULL,   -- how many deliveries matched when it was requested
    collected_at   INTEGER,            -- when all of them were pending again; NULL: not yet
    cancelled_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX job_report_organization ON job_report (organization, id);
CREATE INDEX job_report_requested_at ON job_report (requested_at);

-- Rows are added up. On PostgreSQL each node has its own, so that no two wait for one row.
CREATE TABLE job_count (
    report     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    node       TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (report, outcome, node)
) STRICT, WITHOUT ROWID;

ALTER TABLE job ADD COLUMN report TEXT NOT NULL DEFAULT '';  -- recover, stop: its report
ALTER TABLE job ADD COLUMN reason TEXT NOT NULL DEFAULT '';  -- cancel, stop: why nothing is sent

-- The report in which the delivery is counted when it leaves `pending`; '': none.
ALTER TABLE pending ADD COLUMN job TEXT NOT NULL DEFAULT '';

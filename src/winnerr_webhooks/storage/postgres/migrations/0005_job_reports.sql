-- What became of the deliveries that a job sends again, for people to read.

CREATE TABLE job_report (
    id             text COLLATE "C" PRIMARY KEY,
    organization   text COLLATE "C" NOT NULL,
    webhook_id     text COLLATE "C" NOT NULL,
    kind           text NOT NULL,      -- recover
    requested_at   bigint NOT NULL,
    accepted_since bigint,
    accepted_until bigint,
    planned        bigint NOT NULL,    -- how many deliveries matched when it was requested
    collected_at   bigint,             -- when all of them were pending again; NULL: not yet
    cancelled_at   bigint
);

CREATE INDEX job_report_organization ON job_report (organization, id);
CREATE INDEX job_report_requested_at ON job_report (requested_at);

-- Rows are added up. Each node has its own, so that no two wait for one row.
CREATE TABLE job_count (
    report     text COLLATE "C" NOT NULL,
    outcome    text COLLATE "C" NOT NULL,
    node       text COLLATE "C" NOT NULL,
    deliveries bigint NOT NULL,
    PRIMARY KEY (report, outcome, node)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE job ADD COLUMN report text COLLATE "C" NOT NULL DEFAULT '';  -- recover, stop: its report
ALTER TABLE job ADD COLUMN reason text NOT NULL DEFAULT '';  -- cancel, stop: why nothing is sent

-- The report in which the delivery is counted when it leaves `pending`; '': none.
ALTER TABLE pending ADD COLUMN job text COLLATE "C" NOT NULL DEFAULT '';

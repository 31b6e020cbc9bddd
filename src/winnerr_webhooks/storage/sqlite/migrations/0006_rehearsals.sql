-- Rehearsals: the last events of a webhook, sent once to another URL, beside what was recorded.

CREATE TABLE rehearsal (
    id           TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    webhook_id   TEXT NOT NULL,
    url          TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    cancelled_at INTEGER,
    ended_at     INTEGER,              -- NULL: some answers are to come
    lease_until  INTEGER NOT NULL      -- until then, the node that has it goes on with it
) STRICT, WITHOUT ROWID;

CREATE INDEX rehearsal_organization ON rehearsal (organization, id);
CREATE INDEX rehearsal_open ON rehearsal (lease_until) WHERE ended_at IS NULL;

CREATE TABLE rehearsal_answer (
    rehearsal     TEXT NOT NULL,
    position      INTEGER NOT NULL,
    delivery_id   TEXT NOT NULL,
    attempt_id    TEXT NOT NULL,       -- the recorded attempt
    event         TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    answered_at   INTEGER,             -- NULL: to come
    outcome       TEXT,
    status        INTEGER,
    duration_ms   REAL,
    error_message TEXT,
    body_start    BLOB,
    PRIMARY KEY (rehearsal, position)
) STRICT, WITHOUT ROWID;

-- The first shape of the database. Instants are milliseconds since 1970 (UTC).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('probed_at', 0);

CREATE TABLE api_key (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    organization TEXT,            -- NULL: a service key
    hash         BLOB NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook (
    id              TEXT PRIMARY KEY,
    organization    TEXT NOT NULL,
    number          INTEGER NOT NULL,  -- within the organization; ends the ids of its deliveries
    url             TEXT NOT NULL,
    description     TEXT,
    events          TEXT NOT NULL,     -- a JSON array of names, or ["*"]
    status          TEXT NOT NULL,     -- active, paused, disabled, deleted
    status_reason   TEXT,
    secret          BLOB,              -- sealed
    next_secret     BLOB,              -- sealed; signs beside the other until overlap_ends_at
    overlap_ends_at INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    version         INTEGER NOT NULL,  -- +1 at every change
    epoch           INTEGER NOT NULL,  -- +1 whenever it stops being active: older work is cancelled
    change_mark     INTEGER NOT NULL,  -- one rising number over all webhooks
    failing_since   INTEGER,           -- first failure of a run of nothing but failures
    failures        INTEGER NOT NULL,  -- how many attempts that run has
    UNIQUE (organization, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_change_mark ON webhook (change_mark);

CREATE TABLE subscription (
    organization TEXT NOT NULL,
    event        TEXT NOT NULL,        -- '*' is every event
    webhook_id   TEXT NOT NULL,
    PRIMARY KEY (organization, event, webhook_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    organization TEXT NOT NULL,
    name         TEXT NOT NULL,
    client_id    TEXT,
    accepted_at  INTEGER NOT NULL,
    body         BLOB NOT NULL         -- the exact request body of every attempt
) STRICT;

CREATE TABLE idempotency (
    organization TEXT NOT NULL,
    client_id    TEXT NOT NULL,
    fingerprint  BLOB NOT NULL,
    event_id     TEXT NOT NULL,
    deliveries   INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (organization, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_at ON idempotency (at);

-- Work waiting: one row a delivery that still has an attempt coming, by schedule or by replay.
-- It is clustered by webhook, so that a webhook's work is found without a second index over all
-- of it. A delivery's id holds its event's ('dlv_' event '0001'), so neither table repeats that.
CREATE TABLE pending (
    webhook_id   TEXT NOT NULL,
    delivery_id  TEXT NOT NULL,
    organization TEXT NOT NULL,
    event        TEXT NOT NULL,
    test         INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,     -- the webhook's when asked for; -1 for tests
    accepted_at  INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    lease_until  INTEGER,              -- NULL: free; else ms of the node's monotonic clock
    lease        INTEGER NOT NULL,     -- the fence: +1 at every taking
    idle_leases  INTEGER NOT NULL,     -- leases in a row without a settled attempt
    attempts     INTEGER NOT NULL,     -- settled so far
    retries_used INTEGER NOT NULL,     -- automatic ones among them
    retry_at     INTEGER,              -- NULL: no automatic attempt remains
    replay       INTEGER NOT NULL,     -- number of the replay request waiting; 0: none
    finished     INTEGER NOT NULL,     -- its outcome is in `delivery`; only a replay remains
    event_id     TEXT AS ('evt_' || substr(delivery_id, 5, length(delivery_id) - 8)),
    PRIMARY KEY (webhook_id, delivery_id)
) STRICT, WITHOUT ROWID;

-- Deliveries born leased never enter it: on the happy path it costs nothing.
CREATE INDEX pending_free ON pending (webhook_id, epoch, due_at) WHERE lease_until IS NULL;

CREATE TABLE lane (
    webhook_id  TEXT PRIMARY KEY,
    next_due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX lane_next_due_at ON lane (next_due_at);

-- Work done: grows at its end.
CREATE TABLE delivery (
    organization TEXT NOT NULL,
    id           TEXT NOT NULL,
    webhook_id   TEXT NOT NULL,
    event        TEXT NOT NULL,
    status       TEXT NOT NULL,        -- delivered, failed, cancelled
    test         INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    lease        INTEGER NOT NULL,     -- where a replay's row goes on counting
    accepted_at  INTEGER NOT NULL,
    settled_at   INTEGER NOT NULL,     -- when it took this status
    event_id     TEXT AS ('evt_' || substr(id, 5, length(id) - 8)),
    PRIMARY KEY (organization, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX delivery_undelivered ON delivery (webhook_id, id)
    WHERE status IN ('failed', 'cancelled');

CREATE TABLE attempt (
    seq           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL,
    organization  TEXT NOT NULL,
    webhook_id    TEXT NOT NULL,
    delivery_id   TEXT NOT NULL,
    event         TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    trigger       TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    duration_ms   REAL NOT NULL,
    dns_ms        REAL,
    connect_ms    REAL,
    tls_ms        REAL,
    first_byte_ms REAL,
    reconnected   INTEGER NOT NULL,
    status        INTEGER,
    reason        TEXT NOT NULL,
    error_kind    TEXT,
    error_message TEXT NOT NULL,
    error_code    TEXT NOT NULL,
    error_phase   TEXT NOT NULL,
    truncated     INTEGER NOT NULL,
    url           TEXT NOT NULL,
    request_head  BLOB NOT NULL,
    response_head BLOB NOT NULL,
    response_body BLOB NOT NULL,
    event_id      TEXT AS ('evt_' || substr(delivery_id, 5, length(delivery_id) - 8))
) STRICT;

CREATE UNIQUE INDEX attempt_organization ON attempt (organization, id);
CREATE INDEX attempt_webhook ON attempt (webhook_id, id);
CREATE INDEX attempt_delivery ON attempt (delivery_id);
CREATE INDEX attempt_failed ON attempt (organization, id) WHERE outcome = 'failed';

CREATE TABLE health (
    webhook_id     TEXT NOT NULL,
    starts_at      INTEGER NOT NULL,   -- a multiple of five minutes
    duration_class INTEGER NOT NULL,
    succeeded      INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    exhausted      INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, starts_at, duration_class)
) STRICT, WITHOUT ROWID;

CREATE INDEX health_starts_at ON health (starts_at);

CREATE TABLE job (
    id             INTEGER PRIMARY KEY,
    kind           TEXT NOT NULL,      -- cancel, replay
    webhook_id     TEXT NOT NULL,
    requested_at   INTEGER NOT NULL,
    epoch          INTEGER NOT NULL,   -- cancel: what is older than this epoch
    event          TEXT,               -- replay: its filter
    statuses       TEXT NOT NULL,      -- replay: a JSON array
    accepted_since INTEGER,
    accepted_until INTEGER,
    cursor         TEXT NOT NULL,      -- the last delivery id done
    last_run       INTEGER NOT NULL    -- which slice of all jobs it had last: they take turns
) STRICT;

CREATE INDEX job_webhook ON job (webhook_id, id);

-- The first shape of the database. Instants are milliseconds since 1970 (UTC). Ids are compared
-- byte by byte (collation "C"): then they sort by the moment they were made, and a day of them
-- is a range.

CREATE TABLE meta (
    name  text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
) WITH (fillfactor = 20);

INSERT INTO meta (name, value) VALUES
    ('probed_at', 0),
    ('change_mark', 1),   -- one rising number over all changes of webhooks; 0 asks "from now on"
    ('repaired_at', 0);

CREATE TABLE api_key (
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    organization text COLLATE "C",      -- NULL: a service key
    hash         bytea NOT NULL UNIQUE,
    created_at   bigint NOT NULL,
    revoked_at   bigint
);

CREATE TABLE webhook (
    id              text COLLATE "C" PRIMARY KEY,
    organization    text COLLATE "C" NOT NULL,
    number          integer NOT NULL,      -- within the organization
    suffix          text COLLATE "C" NOT NULL,  -- that number as the end of its deliveries' ids
    url             text NOT NULL,
    description     text,
    events          text[] NOT NULL,       -- names, or {*}
    status          text NOT NULL,         -- active, paused, disabled, deleted
    status_reason   text,
    secret          bytea,                 -- sealed
    next_secret     bytea,                 -- sealed; signs beside the other until overlap_ends_at
    overlap_ends_at bigint,
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL,
    version         integer NOT NULL,      -- +1 at every change
    epoch           integer NOT NULL,      -- +1 when it stops being active: older work is cancelled
    change_mark     bigint NOT NULL,
    UNIQUE (organization, number)
);

CREATE INDEX webhook_change_mark ON webhook (change_mark);
CREATE INDEX webhook_overlap ON webhook (overlap_ends_at) WHERE overlap_ends_at IS NOT NULL;

-- A webhook's run of nothing but failures; no row: its last attempt succeeded. Apart from the
-- webhook, because it changes as often as attempts fail, and every accept reads webhooks.
CREATE TABLE run (
    webhook_id    text COLLATE "C" PRIMARY KEY,
    failing_since bigint NOT NULL,
    failures      bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE subscription (
    organization text COLLATE "C" NOT NULL,
    event        text COLLATE "C" NOT NULL,     -- '*' is every event
    webhook_id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization, event, webhook_id)
);

CREATE TABLE idempotency (
    organization text COLLATE "C" NOT NULL,
    client_id    text COLLATE "C" NOT NULL,
    fingerprint  bytea NOT NULL,
    event_id     text COLLATE "C" NOT NULL,
    deliveries   integer NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (organization, client_id)
);

CREATE INDEX idempotency_at ON idempotency (at);

-- Work waiting: one row a delivery that still has an attempt coming, by schedule or by replay.
-- A delivery's id holds its event's ('dlv_' event '0001'), so nobody repeats that.
--
-- A queue's rows come and go: vacuum by their number, often, without sleeping between pages, and
-- without giving pages back at the end (that needs a lock nobody can wait for).
CREATE TABLE pending (
    webhook_id   text COLLATE "C" NOT NULL,
    delivery_id  text COLLATE "C" NOT NULL,
    organization text COLLATE "C" NOT NULL,
    event        text COLLATE "C" NOT NULL,
    test         boolean NOT NULL,
    epoch        integer NOT NULL,     -- the webhook's when asked for; -1 for tests
    accepted_at  bigint NOT NULL,
    due_at       bigint NOT NULL,
    lease_until  bigint,               -- NULL: free
    lease        integer NOT NULL,     -- the fence: +1 at every taking
    idle_leases  integer NOT NULL,     -- leases in a row without a settled attempt
    attempts     integer NOT NULL,     -- settled so far
    retries_used integer NOT NULL,     -- automatic ones among them
    retry_at     bigint,               -- NULL: no automatic attempt remains
    replay       integer NOT NULL,     -- number of the replay request waiting; 0: none
    finished     boolean NOT NULL,     -- its outcome is in `delivery`; only a replay remains
    PRIMARY KEY (webhook_id, delivery_id)
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 100000, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

-- Deliveries born leased never enter the first, what waits never the second.
CREATE INDEX pending_free ON pending (webhook_id, epoch, due_at) WHERE lease_until IS NULL;
CREATE INDEX pending_leased ON pending (lease_until) WHERE lease_until IS NOT NULL;
-- Replays that wait: of them retention asks whose delivery is old.
CREATE INDEX pending_replayed ON pending (delivery_id) WHERE finished;

-- When a webhook's work is due first, as a hint: what it hints at is in `pending`.
CREATE TABLE lane (
    webhook_id  text COLLATE "C" PRIMARY KEY,
    next_due_at bigint NOT NULL
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false
);

CREATE INDEX lane_next_due_at ON lane (next_due_at);

CREATE TABLE health (
    webhook_id     text COLLATE "C" NOT NULL,
    starts_at      bigint NOT NULL,    -- a multiple of five minutes
    duration_class integer NOT NULL,
    node           text COLLATE "C" NOT NULL,  -- so that no two nodes wait for one row
    succeeded      bigint NOT NULL,
    failed         bigint NOT NULL,
    exhausted      bigint NOT NULL,
    PRIMARY KEY (webhook_id, starts_at, duration_class, node)
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX health_starts_at ON health (starts_at);

CREATE TABLE job (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text NOT NULL,      -- cancel, replay
    webhook_id     text COLLATE "C" NOT NULL,
    requested_at   bigint NOT NULL,
    epoch          integer NOT NULL,   -- cancel: what is older than this epoch
    event          text COLLATE "C",   -- replay: its filter
    statuses       text[] NOT NULL,    -- replay
    accepted_since bigint,
    accepted_until bigint,
    cursor         text COLLATE "C" NOT NULL,  -- the last delivery id done
    last_run       bigint NOT NULL,    -- which slice of all jobs it had last: they take turns
    seen_at        timestamptz         -- by this server's clock: older transactions may add to it
);

CREATE INDEX job_webhook ON job (webhook_id, id);
CREATE INDEX job_last_run ON job (last_run, id);

-- Who may open the settings page; of tokens only the SHA-256 is kept.
CREATE TABLE sign_in_link (
    hash         bytea PRIMARY KEY,
    organization text COLLATE "C" NOT NULL,
    role         text NOT NULL,        -- admin, viewer
    user_name    text,
    expires_at   bigint NOT NULL
);

CREATE INDEX sign_in_link_expires_at ON sign_in_link (expires_at);

CREATE TABLE session (
    hash         bytea PRIMARY KEY,
    organization text COLLATE "C" NOT NULL,
    role         text NOT NULL,
    user_name    text,
    expires_at   bigint NOT NULL
);

CREATE INDEX session_expires_at ON session (expires_at);

-- History grows at its end, a partition a day. Ids begin with their millisecond, so a day is a
-- range of ids, and what looks for an id looks into one partition. An event and its deliveries
-- lie in the day of acceptance, an attempt in its own. The default partition takes what no day
-- was made for: nothing is refused because a partition is missing.
CREATE TABLE event (
    id           text COLLATE "C" PRIMARY KEY,
    organization text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    client_id    text,
    accepted_at  bigint NOT NULL,
    body         bytea NOT NULL        -- the exact request body of every attempt
) PARTITION BY RANGE (id);

CREATE TABLE event_default PARTITION OF event DEFAULT;

CREATE TABLE delivery (
    organization text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    webhook_id   text COLLATE "C" NOT NULL,
    event        text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,    -- delivered, failed, cancelled
    test         boolean NOT NULL,
    attempts     integer NOT NULL,
    lease        integer NOT NULL,     -- where a replay's row goes on counting
    accepted_at  bigint NOT NULL,
    settled_at   bigint NOT NULL,      -- when it took this status
    PRIMARY KEY (organization, id)
) PARTITION BY RANGE (id);

CREATE INDEX delivery_undelivered ON delivery (webhook_id, id)
    WHERE status IN ('failed', 'cancelled');

CREATE TABLE delivery_default PARTITION OF delivery DEFAULT;

CREATE TABLE attempt (
    id            text COLLATE "C" NOT NULL,
    organization  text COLLATE "C" NOT NULL,
    webhook_id    text COLLATE "C" NOT NULL,
    delivery_id   text COLLATE "C" NOT NULL,
    event         text COLLATE "C" NOT NULL,
    attempt       integer NOT NULL,
    trigger       text COLLATE "C" NOT NULL,
    outcome       text COLLATE "C" NOT NULL,
    started_at    bigint NOT NULL,
    duration_ms   float8 NOT NULL,
    dns_ms        float8,
    connect_ms    float8,
    tls_ms        float8,
    first_byte_ms float8,
    reconnected   boolean NOT NULL,
    status        integer,
    reason        text NOT NULL,
    error_kind    text,
    error_message text NOT NULL,
    error_code    text NOT NULL,
    error_phase   text NOT NULL,
    truncated     boolean NOT NULL,
    url           text NOT NULL,
    request_head  bytea NOT NULL,
    response_head bytea NOT NULL,
    response_body bytea NOT NULL,
    PRIMARY KEY (organization, id)
) PARTITION BY RANGE (id);

CREATE INDEX attempt_webhook ON attempt (webhook_id, id);
CREATE INDEX attempt_delivery ON attempt (delivery_id);
CREATE INDEX attempt_failed ON attempt (organization, id) WHERE outcome = 'failed';

CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;

-- Retention lets go of days by dropping partitions; what must stay of them is carried over before,
-- slice by slice, and this row says how far that is. Whoever has it locked is at it. A script that
-- changes `event`, `delivery` or `attempt` has to set `until` to '': then it begins anew.
CREATE TABLE carry (
    one    boolean PRIMARY KEY CHECK (one),
    until  text COLLATE "C" NOT NULL,   -- ids are of these days up to here (their first 10
                                        -- characters); empty: no day is on its way out
    step   integer NOT NULL,
    cursor text COLLATE "C" NOT NULL,   -- how far the step is
    gone   bigint NOT NULL              -- rows dropped less rows carried over
);

INSERT INTO carry (one, until, step, cursor, gone) VALUES (true, '', 0, '', 0);

-- What was written to days on their way out since carrying began: it is carried once more.
CREATE TABLE late_write (
    history      text COLLATE "C" NOT NULL,     -- event, delivery, attempt
    organization text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL
);

CREATE FUNCTION note_late_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.late_write VALUES ($1, $2, $3)', TG_TABLE_SCHEMA)
        USING TG_ARGV[0], coalesce(NEW.organization, OLD.organization), coalesce(NEW.id, OLD.id);
    RETURN NULL;
END $$;

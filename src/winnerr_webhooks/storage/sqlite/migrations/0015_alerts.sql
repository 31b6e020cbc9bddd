-- What operators and organizations are told of webhooks: see domain/alerts.py.

-- Where an organization is told by mail, and of what.
CREATE TABLE alert_settings (
    organization TEXT PRIMARY KEY,
    emails       TEXT NOT NULL,     -- a JSON array
    event_names  TEXT NOT NULL,     -- a JSON array
    language     TEXT               -- NULL: the service's
) STRICT, WITHOUT ROWID;

-- What has been told of a webhook, and what is to be told. No row: nothing.
CREATE TABLE alert_state (
    webhook_id     TEXT PRIMARY KEY,
    state          TEXT NOT NULL,   -- failing, disabled; empty: neither, or it has recovered
    since          INTEGER NOT NULL,     -- when that state began, ms
    told           INTEGER NOT NULL,     -- whether its event was made
    failed         INTEGER NOT NULL,     -- deliveries that failed since the last event about them
    failed_told_at INTEGER NOT NULL      -- when that was, ms; 0: never
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_state_open ON alert_state (told, webhook_id) WHERE state <> '';
CREATE INDEX alert_state_failed ON alert_state (failed_told_at) WHERE failed > 0;

-- Operational events that are not accepted yet.
CREATE TABLE alert (
    id    TEXT PRIMARY KEY,
    event TEXT NOT NULL,
    at    INTEGER NOT NULL,
    data  TEXT NOT NULL             -- the `data` of its payload
) STRICT, WITHOUT ROWID;

-- Mails that are not sent yet.
CREATE TABLE alert_mail (
    alert    TEXT NOT NULL,         -- the id of its operational event
    email    TEXT NOT NULL,
    language TEXT,
    event    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    data     TEXT NOT NULL,
    attempts INTEGER NOT NULL,           -- begun so far
    due_at   INTEGER NOT NULL,           -- when a node may send it, ms
    PRIMARY KEY (alert, email)
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_mail_due_at ON alert_mail (due_at);

CREATE INDEX webhook_failing_since ON webhook (failing_since) WHERE failing_since IS NOT NULL;

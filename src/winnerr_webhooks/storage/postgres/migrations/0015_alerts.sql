-- What operators and organizations are told of webhooks: see domain/alerts.py.

-- Where an organization is told by mail, and of what.
CREATE TABLE alert_settings (
    organization text COLLATE "C" PRIMARY KEY,
    emails       text COLLATE "C" NOT NULL,     -- a JSON array
    event_names  text COLLATE "C" NOT NULL,     -- a JSON array
    language     text COLLATE "C"               -- NULL: the service's
);

-- What has been told of a webhook, and what is to be told. No row: nothing.
CREATE TABLE alert_state (
    webhook_id     text COLLATE "C" PRIMARY KEY,
    state          text COLLATE "C" NOT NULL,   -- failing, disabled; empty: neither, or it has recovered
    since          bigint NOT NULL,     -- when that state began, ms
    told           bigint NOT NULL,     -- whether its event was made
    failed         bigint NOT NULL,     -- deliveries that failed since the last event about them
    failed_told_at bigint NOT NULL      -- when that was, ms; 0: never
);

CREATE INDEX alert_state_open ON alert_state (told, webhook_id) WHERE state <> '';
CREATE INDEX alert_state_failed ON alert_state (failed_told_at) WHERE failed > 0;

-- Operational events that are not accepted yet.
CREATE TABLE alert (
    id    text COLLATE "C" PRIMARY KEY,
    event text COLLATE "C" NOT NULL,
    at    bigint NOT NULL,
    data  text COLLATE "C" NOT NULL             -- the `data` of its payload
);

-- Mails that are not sent yet.
CREATE TABLE alert_mail (
    alert    text COLLATE "C" NOT NULL,         -- the id of its operational event
    email    text COLLATE "C" NOT NULL,
    language text COLLATE "C",
    event    text COLLATE "C" NOT NULL,
    at       bigint NOT NULL,
    data     text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL,           -- begun so far
    due_at   bigint NOT NULL,           -- when a node may send it, ms
    PRIMARY KEY (alert, email)
);

CREATE INDEX alert_mail_due_at ON alert_mail (due_at);

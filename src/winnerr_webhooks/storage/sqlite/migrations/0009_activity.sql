-- Who did what, when and from where; `id` says when.

CREATE TABLE activity (
    id           TEXT NOT NULL,
    organization TEXT NOT NULL,
    action       TEXT NOT NULL,
    webhook_id   TEXT,
    webhook_url  TEXT,                 -- this and its name after the change
    webhook_name TEXT,
    subject      TEXT,                 -- the id of what else was acted on
    actor_kind   TEXT NOT NULL,        -- user, key, command, service
    actor_id     TEXT,
    actor_name   TEXT,
    address      TEXT,
    changes      TEXT NOT NULL,        -- JSON
    details      TEXT NOT NULL,        -- JSON
    PRIMARY KEY (organization, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX activity_id ON activity (id);

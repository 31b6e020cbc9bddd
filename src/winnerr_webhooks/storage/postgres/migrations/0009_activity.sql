-- Who did what, when and from where; `id` says when.

CREATE TABLE activity (
    id           text COLLATE "C" NOT NULL,
    organization text COLLATE "C" NOT NULL,
    action       text COLLATE "C" NOT NULL,
    webhook_id   text COLLATE "C",
    webhook_url  text COLLATE "C",                 -- this and its name after the change
    webhook_name text COLLATE "C",
    subject      text COLLATE "C",                 -- the id of what else was acted on
    actor_kind   text COLLATE "C" NOT NULL,        -- user, key, command, service
    actor_id     text COLLATE "C",
    actor_name   text COLLATE "C",
    address      text COLLATE "C",
    changes      text COLLATE "C" NOT NULL,        -- JSON
    details      text COLLATE "C" NOT NULL,        -- JSON
    PRIMARY KEY (organization, id)
);

CREATE INDEX activity_id ON activity (id);

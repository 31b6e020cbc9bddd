-- Rehearsals: the last events of a webhook, sent once to another URL, beside what was recorded.

CREATE TABLE rehearsal (
    id           text COLLATE "C" PRIMARY KEY,
    organization text COLLATE "C" NOT NULL,
    webhook_id   text COLLATE "C" NOT NULL,
    url          text COLLATE "C" NOT NULL,
    requested_at bigint NOT NULL,
    cancelled_at bigint,
    ended_at     bigint,              -- NULL: some answers are to come
    lease_until  bigint NOT NULL      -- until then, the node that has it goes on with it
);

CREATE INDEX rehearsal_organization ON rehearsal (organization, id);
CREATE INDEX rehearsal_open ON rehearsal (lease_until) WHERE ended_at IS NULL;

CREATE TABLE rehearsal_answer (
    rehearsal     text COLLATE "C" NOT NULL,
    position      integer NOT NULL,
    delivery_id   text COLLATE "C" NOT NULL,
    attempt_id    text COLLATE "C" NOT NULL,       -- the recorded attempt
    event         text COLLATE "C" NOT NULL,
    attempt       integer NOT NULL,
    answered_at   bigint,             -- NULL: to come
    outcome       text COLLATE "C",
    status        integer,
    duration_ms   float8,
    error_message text COLLATE "C",
    body_start    bytea,
    PRIMARY KEY (rehearsal, position)
);

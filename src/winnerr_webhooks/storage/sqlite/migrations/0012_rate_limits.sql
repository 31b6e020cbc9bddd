-- How many attempts a webhook allows in a second, over all nodes together.

ALTER TABLE webhook ADD COLUMN rate_limit REAL;  -- NULL: as many as its receiver takes

-- When the next attempt of a webhook with a rate limit may begin, in ms since 1970. A claim takes the
-- turns of what it leases from here, so it is the same for all nodes and survives each of them.
CREATE TABLE lane_turn (
    webhook_id   TEXT PRIMARY KEY,
    next_turn_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

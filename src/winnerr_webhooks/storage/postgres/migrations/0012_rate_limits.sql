-- How many attempts a webhook allows in a second, over all nodes together.

ALTER TABLE webhook ADD COLUMN rate_limit double precision;  -- NULL: as many as its receiver takes

-- When the next attempt of a webhook with a rate limit may begin, in ms since 1970. A claim takes the
-- turns of what it leases from here, so it is the same for all nodes and survives each of them.
CREATE TABLE lane_turn (
    webhook_id   text COLLATE "C" PRIMARY KEY,
    next_turn_at double precision NOT NULL
) WITH (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false
);

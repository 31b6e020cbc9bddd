-- The outbox: events that the product emits inside its own transactions (docs/outbox.md).

-- An event that waits until a node moves it on, or that was refused. Values that break a rule are
-- stored, too: a node refuses them, and the row stays for people to see.
--
-- A transaction takes `position` before it commits, so a row may become visible after a row with a
-- higher position. But an event that is emitted after another one has committed has the higher
-- position, because the sequence only rises (CACHE 1). See docs/adr/0025.
CREATE TABLE outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text COLLATE "C" NOT NULL,  -- the caller's, or made by emit()
    organization text COLLATE "C" NOT NULL,
    event        text COLLATE "C",
    data         json,                       -- as given: type jsonb would change it
    size         integer NOT NULL,           -- of data, in bytes
    happened_at  timestamptz NOT NULL,
    emitted_at   timestamptz NOT NULL,
    refused_at   timestamptz,                -- NULL: it waits
    reason       text                        -- why it was refused
) WITH (
    -- A queue like `pending`.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 100000, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

CREATE INDEX outbox_waiting ON outbox (organization, position) WHERE refused_at IS NULL;
CREATE INDEX outbox_refused ON outbox (refused_at) WHERE refused_at IS NOT NULL;

-- When a node last took its turn to move events on.
INSERT INTO meta (name, value) VALUES ('outbox_turn', 0);

-- It raises no error because of an event: an error would undo the product's own work. Names that
-- are too long are cut where any longer one is refused.
CREATE FUNCTION emit(
    event text, organization text, data json, id text DEFAULT NULL,
    happened_at timestamptz DEFAULT now()
) RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox (id, organization, event, data, size, happened_at, emitted_at)
    VALUES (
        coalesce(left(emit.id, 256), 'out_' || replace(gen_random_uuid()::text, '-', '')),
        coalesce(nullif(left(emit.organization, 65), ''), '(none)'), left(emit.event, 256),
        emit.data, coalesce(octet_length(emit.data::text), 0),
        coalesce(emit.happened_at, now()), clock_timestamp())
    RETURNING outbox.id;
END;

REVOKE ALL ON FUNCTION emit FROM PUBLIC;

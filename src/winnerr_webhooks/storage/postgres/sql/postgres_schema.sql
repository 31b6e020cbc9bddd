-- Making and upgrading the schema: see postgres_schema.py.

-- name: schema_state
-- What exists, as far as can be seen without any right to it.
SELECT
    current_setting('server_version_num')::integer / 10000 AS major,
    current_setting('server_encoding') AS encoding,
    current_database() AS database,
    current_user AS role,
    namespace.oid IS NOT NULL AS exists,
    has_schema_privilege(namespace.oid, 'USAGE') AS usable,
    EXISTS (SELECT FROM pg_class WHERE relnamespace = namespace.oid) AS filled,
    EXISTS (
        SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = namespace.oid AND c.relname = 'meta' AND a.attname = 'value'
    ) AS has_meta
FROM (SELECT to_regnamespace($1)::oid AS oid) AS namespace

-- name: schema_versions
SELECT name, value FROM meta WHERE name IN ('version', 'oldest')

-- name: lock_for_transaction
SELECT pg_advisory_xact_lock($1)

-- name: set_schema_versions
INSERT INTO meta (name, value) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (name) DO UPDATE SET value = excluded.value

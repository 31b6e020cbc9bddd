"""How databases of tests are lent: copies of a template, emptied for the next test by SQL."""

from dataclasses import dataclass, field


@dataclass
class Template:
    """A database that others are copies of."""

    name: str
    free: list[str] = field(default_factory=list)
    """Copies that were returned."""
    shape: tuple[object, ...] | None = None
    """What `_SHAPE` says of a copy that is new."""


async def shape_of(inside) -> tuple[object, ...]:
    return tuple(await inside.fetchrow(_SHAPE))


ALONE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# The file system knows the sizes: `pg_relation_size` would open each table and index.
IS_SMALL = """
SELECT sum((pg_stat_file(pg_relation_filepath(oid))).size) < 10000000
FROM pg_class WHERE relnamespace = 'winnerr_webhooks'::regnamespace
"""
_SHAPE = """
SELECT string_agg(relname, ' ' ORDER BY relname),
    (SELECT count(*) FROM pg_proc WHERE oid > 16384),
    (SELECT count(*) FROM pg_trigger),
    (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = (
        SELECT oid FROM pg_database WHERE datname = current_database()))
FROM pg_class WHERE relnamespace = 'winnerr_webhooks'::regnamespace
"""
# Keep a copy of the few rows that a new database has.
KEEP = """
CREATE SCHEMA at_first;
DO $$ DECLARE name text; filled boolean; BEGIN
    FOR name IN
        SELECT relname FROM pg_class WHERE relnamespace = 'winnerr_webhooks'::regnamespace
            AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM winnerr_webhooks.%I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE at_first.%1$I AS TABLE winnerr_webhooks.%1$I', name);
        END IF;
    END LOOP;
END $$
"""
# DELETE is faster than TRUNCATE for a few rows: TRUNCATE makes new files. A table (or partition)
# whose file is empty never had a row.
EMPTY = """
DO $$ DECLARE name text; BEGIN
    FOR name IN
        SELECT relname FROM pg_class WHERE relnamespace = 'winnerr_webhooks'::regnamespace
            AND relkind = 'r' AND (pg_stat_file(pg_relation_filepath(oid))).size > 0
    LOOP EXECUTE format('DELETE FROM winnerr_webhooks.%I', name); END LOOP;
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'at_first'::regnamespace
    LOOP
        EXECUTE format('INSERT INTO winnerr_webhooks.%1$I OVERRIDING SYSTEM VALUE'
            ' TABLE at_first.%1$I', name);
    END LOOP;
END $$
"""

"""Work for a database whose only table has numbers, and what is seen of it from outside."""

import asyncio

PATIENCE = 60.0


def put(number: object):
    async def work(db):
        await db.connection.execute("INSERT INTO public.t VALUES ($1)", str(number))

    return work


def ask(sql: str, *values: object):
    async def work(db):
        return await db.connection.fetchval(sql, *values)

    return work


async def stored(admin) -> set[str]:
    return {row[0] for row in await admin.fetch("SELECT n FROM public.t")}


async def until(true) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await true():
            pass


def ours(more: str = "") -> str:
    return (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        f" AND application_name = 'winnerr-webhooks' {more}"
    )


async def sees(admin, sql: str, count: int) -> bool:
    return await admin.fetchval(sql) == count

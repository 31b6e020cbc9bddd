"""A product that emits inside its own transactions until it is killed; SIGKILL may hit anywhere.

`outbox_emitter.py URL`: four sessions. Each transaction makes an order and emits its number; every
fourth one, about, is rolled back. A line is printed before each COMMIT and each ROLLBACK.
"""

import asyncio
import random
import sys
from typing import Final

import asyncpg

NAME: Final = "outbox emitter"
"""The name of its sessions in pg_stat_activity."""


async def session(url: str, number: int) -> None:
    rng = random.Random()
    connection = await asyncpg.connect(url, server_settings={"application_name": NAME})
    while True:
        transaction = connection.transaction()
        await transaction.start()
        for _ in range(rng.randrange(1, 4)):
            n = await connection.fetchval("INSERT INTO orders DEFAULT VALUES RETURNING n")
            await connection.fetchval(
                "SELECT winnerr_webhooks.emit('deal.created', $1, json_build_object('n', $2::int))",
                f"org_{number % 2 + 1}",
                n,
            )
        print(flush=True)
        if rng.random() < 0.25:
            await transaction.rollback()
        else:
            await transaction.commit()


async def main() -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(session(sys.argv[1], number))


if __name__ == "__main__":
    asyncio.run(main())

"""Connecting to PostgreSQL at the start: what is said if it fails, and several hosts."""

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest
import structlog
import trustme
from tests.unit.storage.postgres.numbers_table import PATIENCE, put, stored

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.errors import (
    CannotStart,
    ConfigurationError,
)
from winnerr_webhooks.ids import Jitter
from winnerr_webhooks.storage.postgres import connection_opener
from winnerr_webhooks.storage.postgres.transactions import Database

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture(autouse=True)
def tls_first(monkeypatch):
    """Given no `sslmode`, a connection tries TLS first, as in real use; other tests do not."""
    monkeypatch.delenv("PGSSLMODE", raising=False)


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"password": "not it"}, ConfigurationError, "password authentication failed"),
        ({"user": "nobody_here"}, ConfigurationError, "password authentication failed"),
        ({"database": "no_such_database"}, ConfigurationError, "does not exist"),
        ({"host": "no-such-host.invalid"}, CannotStart, "its host's name cannot be looked up"),
        ({"host": f"{'x' * 70}.example"}, ConfigurationError, "cannot be"),
        ({"port": "1"}, CannotStart, "refused|Connect call failed"),
        ({"query": "?sslmode=require"}, CannotStart, "SSL"),
        ({"query": "?sslmode=perhaps"}, ConfigurationError, "its URL cannot be read"),
    ],
)
async def test_what_keeps_it_from_starting_is_said_without_the_password(
    empty_postgres_url, change, kind, says
) -> None:
    _, _, rest = empty_postgres_url.partition("://webhooks:")
    secret, _, place = rest.partition("@")
    port = place.partition(":")[2].partition("/")[0]
    parts = {
        "user": "webhooks", "password": secret, "host": "127.0.0.1", "port": port,
        "database": place.rpartition("/")[2], "query": "",
    } | change  # fmt: skip
    url = "postgresql://{user}:{password}@{host}:{port}/{database}{query}".format(**parts)
    database = Database(url, clock=SystemClock(), jitter=Jitter(0), connections=2)
    with pytest.raises(kind, match=f"DATABASE_URL: .*({says})") as caught:
        await database.start()
    assert parts["password"] not in str(caught.value)
    await database.close()


async def test_a_standby_is_no_place_to_start(make_database, postgres_server, admin) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(CannotStart, match="standby that only reads"):
        await make_database(postgres_server.url(name))
    host = postgres_server.url(name).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    with pytest.raises(CannotStart, match=r"127\.0\.0\.1:1: .*Connect call failed.*; .*only reads"):
        await make_database(host)


async def test_a_server_whose_connections_are_in_use_is_waited_for_and_named(
    postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    url = postgres_server.url(name).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    database = Database(url, clock=SystemClock(), jitter=Jitter(0), connections=2)
    with structlog.testing.capture_logs() as lines:
        starting = asyncio.create_task(database.start())
        while not (lines or starting.done()):
            await admin.fetchval("SELECT 1")  # time for the start to go on
        await admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        await starting
    (line,) = lines
    assert line["event"] == "the start waits for the database"
    assert f"127.0.0.1:{postgres_server.port}: too many connections" in line["reason"]
    await database.close()


async def test_a_certificate_that_is_not_trusted_is_a_wrong_setting_and_said(tmp_path) -> None:
    ours, others = trustme.CA(), trustme.CA()
    others.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("localhost").configure_cert(tls)

    async def answer(reader, writer):
        await reader.readexactly(8)  # SSLRequest (PostgreSQL's manual, 53.2.10)
        writer.write(b"S")
        with suppress(OSError):
            await writer.start_tls(tls)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = (
            f"postgresql://u:p@localhost:{port}/w?sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"
        )
        database = Database(url, clock=SystemClock(), jitter=Jitter(0), connections=2)
        with pytest.raises(ConfigurationError, match="its certificate is not trusted"):
            await database.start()
        await database.close()


async def test_of_several_hosts_the_one_that_writes_is_taken(
    make_database, postgres_server, admin
) -> None:
    name = await admin.fetchval("SELECT current_database()")
    url = postgres_server.url(name).replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1")
    await (await make_database(url)).transact(put(1))
    assert await stored(admin) == {"1"}


async def test_a_host_whose_machine_is_gone_does_not_keep_the_others_from_being_asked(
    make_database, postgres_server, admin, monkeypatch
) -> None:
    """It answers nothing, not even no; and once found, the other one is asked first."""
    monkeypatch.setattr(connection_opener, "CONNECT_SECONDS", 4.0)
    name = await admin.fetchval("SELECT current_database()")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gone = f"@127.0.0.1:{silent.getsockname()[1]},127.0.0.1"
        url = postgres_server.url(name).replace("@127.0.0.1", gone)
        database = await make_database(url)
        monkeypatch.setattr(connection_opener, "CONNECT_SECONDS", PATIENCE)
        await asyncio.gather(*(database.transact(put(n)) for n in range(20)))
    assert len(await stored(admin)) == 20

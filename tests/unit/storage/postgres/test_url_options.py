"""URLs as providers hand them out lead to the database."""

import asyncio
import urllib.parse
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
import structlog

from winnerr_webhooks.database_url import display_name, parse
from winnerr_webhooks.storage.postgres.url_options import for_driver

PROVIDERS = [
    "sslmode=disable&channel_binding=prefer&connect_timeout=10",
    "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=5000",
    "gssencmode=disable&sslsni=1&client_encoding=utf8&target_session_attrs=read-write",
    "application_name=crm&options=-c%20lock_timeout%3D1s&fallback_application_name=x",
    "pgbouncer=true&connection_limit=1&pool_timeout=0&schema=public",
]


@pytest.mark.parametrize("options", PROVIDERS)
async def test_a_url_with_a_providers_options_connects(options, open_node, node_url) -> None:
    joined = "&" if "?" in node_url else "?"
    node = await open_node(parse(f"{node_url}{joined}{options}"))
    await node.check()


@pytest.mark.parametrize("other", ["[2001:db8::1]:1", "127.0.0.1:1", "[::1]:1"])
@pytest.mark.thorough
async def test_an_ipv6_host_among_several_goes_with_a_providers_options(
    other, open_node, node_url, postgres_server, monkeypatch
) -> None:
    """`urlsplit` of Python 3.11.2 refuses such hosts, so nothing may rest on it."""

    def refuse_brackets_inside(url: str, *rest) -> object:
        if "," in url.partition("://")[2].partition("/")[0]:
            raise ValueError("Invalid IPv6 URL")
        return urlsplit(url, *rest)

    monkeypatch.setattr(urllib.parse, "urlsplit", refuse_brackets_inside)
    relay = await asyncio.start_server(partial(_relay, postgres_server.port), "::1", 0)
    async with relay:
        port = relay.sockets[0].getsockname()[1]
        who, _, rest = node_url.partition("@")
        name = rest.partition("/")[2]
        url = f"{who}@{other},[::1]:{port}/{name}?connect_timeout=5&keepalives=1&sslmode=disable"
        node = await open_node(parse(url))
        await node.check()
        assert display_name(url) == f"postgresql://{other},[::1]:{port}/{name}"
        await node.close()


async def _relay(port, reader, writer) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)

    async def pass_on(source, sink) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    await asyncio.gather(pass_on(reader, back), pass_on(there, writer))


async def test_what_has_no_effect_is_named_once_and_without_its_value(open_node, node_url) -> None:
    joined = "&" if "?" in node_url else "?"
    url = f"{node_url}{joined}connect_timeout=7&gssencmode=disable&keepalives=0"
    with structlog.testing.capture_logs() as lines:
        await open_node(url)
    said = [line for line in lines if "no effect" in line["event"]]
    assert {line["options"] for line in said} == {("connect_timeout", "keepalives")}


async def test_an_application_name_of_the_urls_own_is_kept(open_node, node_url) -> None:
    joined = "&" if "?" in node_url else "?"
    node = await open_node(f"{node_url}{joined}application_name=crm-hooks")
    shown = await node._aside.transact(
        lambda db: db.connection.fetchval("SELECT current_setting('application_name')")
    )
    assert shown == "crm-hooks"


def test_the_systems_authorities_are_trusted_where_the_url_says_so():
    given = for_driver("postgresql://u@db.example/w?sslmode=verify-full&sslrootcert=system")
    assert given == ("postgresql://u@db.example/w", True, ())


def test_what_the_driver_or_the_server_takes_stays():
    url = "postgresql://u@a:1,b:2/w?sslmode=verify-full&sslrootcert=%2Fca.pem&search_path=x"
    assert for_driver(url) == (url, False, ())


async def test_a_database_whose_defaults_are_odd_is_served_all_the_same(open_node) -> None:
    """`ALTER DATABASE … SET` reaches every connection; what statements rest on is set again."""
    node = await open_node()

    async def make_odd(db):
        name = await db.connection.fetchval("SELECT current_database()")
        for setting in (
            "standard_conforming_strings = off",
            "default_transaction_isolation = 'serializable'",
        ):
            await db.connection.execute(f'ALTER DATABASE "{name}" SET {setting}')

    await node._aside.transact(make_odd)
    other = await open_node()
    for name, value in (
        ("standard_conforming_strings", "on"),
        ("default_transaction_isolation", "read committed"),
    ):
        shown = await other._road.transact(
            lambda db, name=name: db.connection.fetchval(f"SELECT current_setting('{name}')")
        )
        assert shown == value
    await other.check()

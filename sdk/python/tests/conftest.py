"""Fixtures: the real server, and an API that answers as a test says."""

import contextlib
from pathlib import Path

import pytest

import harness
from harness import SERVER_PYTHON, BlockingEmitter, ScriptedApi, Service
from winnerr_webhooks_sdk import Emitter
from winnerr_webhooks_sdk.outbox import create_table


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The server, for all tests that do not stop it."""
    if not Path(SERVER_PYTHON).exists():
        pytest.skip("set SERVER_PYTHON to a Python that can run the server")
    one = Service(tmp_path_factory.mktemp("service"))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def api():
    one = ScriptedApi()
    yield one
    one.shutdown()
    one.server_close()


@pytest.fixture(params=[Emitter, BlockingEmitter], ids=["Emitter", "AsyncEmitter"])
def make_emitter(request):
    made = []

    def make_one(*arguments, **options):
        made.append(request.param(*arguments, **options))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


@pytest.fixture
def emitter(make_emitter, api):
    return make_emitter(api.url, "key", retry_for=5)


@pytest.fixture
def sender(api):
    """An emitter that repeats nothing, for the relay."""
    with Emitter(api.url, "key", retry_for=0) as one:
        yield one


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    """Make a database of a kind, once."""
    made = {"sqlite": harness.SqliteDatabase(tmp_path_factory.mktemp("sqlite") / "product.db")}
    with contextlib.ExitStack() as stack:

        def get(kind):
            if kind not in made:
                try:
                    if kind == "postgresql":
                        made[kind] = harness.PostgresDatabase(
                            stack.enter_context(harness.postgres())
                        )
                    else:
                        folder = tmp_path_factory.mktemp("mariadb")
                        made[kind] = harness.MariaDatabase(
                            stack.enter_context(harness.mariadb(folder))
                        )
                except harness.Missing as error:
                    made[kind] = str(error)
            if isinstance(made[kind], str):
                pytest.skip(made[kind])
            return made[kind]

        yield get


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request, databases):
    one = databases(request.param)
    with contextlib.closing(one.connect()) as connection:
        connection.cursor().execute("DROP TABLE IF EXISTS winnerr_webhooks_outbox")
        create_table(connection)
        connection.commit()
    return one


@pytest.fixture
def connection(database):
    with contextlib.closing(database.connect()) as one:
        yield one


@pytest.fixture
def other(database):
    with contextlib.closing(database.connect()) as one:
        yield one

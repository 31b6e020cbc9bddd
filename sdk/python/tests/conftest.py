"""Fixtures: the real server, and an API that answers as a test says."""

from pathlib import Path

import pytest

from harness import SERVER_PYTHON, ScriptedApi, Service


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

"""The API's HTTP server, with limits of a test's own."""

import pytest


@pytest.fixture
def server(sqlite_path, request):
    """The `running` of conftest.py, on this test's database."""
    running = request.getfixturevalue("run")
    return lambda *arguments, **options: running(sqlite_path, *arguments, **options)

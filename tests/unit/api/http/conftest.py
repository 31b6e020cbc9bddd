"""The API's HTTP server, with limits of a test's own."""

import pytest


@pytest.fixture
def server(tmp_path, request):
    """The `running` of conftest.py, in this test's folder."""
    running = request.getfixturevalue("run")
    return lambda *arguments, **options: running(tmp_path, *arguments, **options)

"""Probes and figures, for those who run the service."""

from winnerr_webhooks.domain.errors import Unavailable


async def test_probes_need_no_key(api):
    assert await api.ok("GET", "/healthz", key=None) == {"status": "ok"}
    assert await api.ok("GET", "/readyz", key=None) == {"status": "ready"}
    response, raw = await api.raw("HEAD", "/readyz", key=None)
    assert (response.status, raw) == (200, b"")


async def test_a_node_that_is_not_ready_says_why(api):
    api.desk.reason = "The service is stopping."
    response, raw = await api.raw("GET", "/readyz", key=None)
    assert response.status == 503
    assert response.headers["Retry-After"]
    assert b"The service is stopping." in raw
    assert (await api.raw("GET", "/healthz", key=None))[0].status == 200


async def test_a_lost_database_is_not_ready_but_still_has_figures(api, monkeypatch):
    async def gone():
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(api.storage, "check", gone)
    monkeypatch.setattr(api.storage, "figures", gone)
    response, raw = await api.raw("GET", "/readyz", key=None)
    assert response.status == 503
    assert b"The disk is full." in raw
    response, raw = await api.raw("GET", "/metrics", key=None)
    assert response.status == 200
    assert raw


async def test_figures_show_what_waits(api):
    await api.webhook()
    await api.emit()
    response, raw = await api.raw("GET", "/metrics", key=None)
    assert response.content_type == "text/plain"
    lines = raw.decode().splitlines()
    assert [line for line in lines if "pending" in line and line.endswith(" 1.0")]

"""Probes and metrics, for operators."""

import json

from winnerr_webhooks.api.http_app import create_probes
from winnerr_webhooks.domain.errors import Unavailable


async def test_probes_need_no_key(api):
    assert await api.ok("GET", "/healthz", key=None) == {"status": "ok"}
    assert await api.ok("GET", "/readyz", key=None) == {"status": "ready"}
    assert await api.ok("GET", "/readyz/", key=None) == {"status": "ready"}
    response, raw = await api.raw("HEAD", "/readyz", key=None)
    assert (response.status, raw) == (200, b"")
    response, _ = await api.raw("POST", "/readyz", key=None)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_node_that_is_not_ready_says_why(api):
    api.node.reason = "The service is stopping."
    response, raw = await api.raw("GET", "/readyz", key=None)
    assert response.status == 503
    assert response.headers["Retry-After"]
    assert b"The service is stopping." in raw
    assert (await api.raw("GET", "/healthz", key=None))[0].status == 200


async def test_without_its_database_a_node_is_not_ready_but_still_has_metrics(api, monkeypatch):
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


async def test_metrics_show_pending_deliveries(api):
    await api.webhook()
    await api.emit()
    response, raw = await api.raw("GET", "/metrics", key=None)
    assert response.content_type == "text/plain"
    lines = raw.decode().splitlines()
    assert [line for line in lines if "pending" in line and line.endswith(" 1.0")]


async def test_a_node_that_is_ready_can_have_warnings(api, monkeypatch):
    monkeypatch.setattr(api.storage, "warnings", lambda: ("Partitions end tomorrow.",))
    answer = await api.ok("GET", "/readyz", key=None)
    assert answer == {"status": "ready", "warnings": ["Partitions end tomorrow."]}


async def test_figures_of_siblings_stand_beside_those_of_the_one_database(api, monkeypatch):
    class PeerMetrics:
        async def render_all(self, own):
            assert b"_pending" not in own
            return b"# all of them\n"

    await api.webhook()
    await api.emit()
    monkeypatch.setattr(api.probes, "_peer_metrics", PeerMetrics())
    _, raw = await api.raw("GET", "/metrics", key=None)
    lines = raw.decode().splitlines()
    assert lines[0] == "# all of them"
    assert "winnerr_webhooks_pending 1.0" in lines
    assert not any(line.startswith("winnerr_webhooks_events_accepted") for line in lines)


async def request(app, method: str, path: str) -> tuple[int, bytes, bytes]:
    """One request to an ASGI application: status, media type, body."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": [],
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0"},
    }  # fmt: skip
    await app(scope, receive, send)
    headers = dict(sent[0]["headers"])
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], headers[b"content-type"], body


async def test_a_node_that_only_delivers_answers_probes_and_refuses_the_rest(api):
    http_app = create_probes(api.probes)
    assert http_app.events is None
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await request(http_app.app, "GET", path))[0] == 200
        assert (await request(http_app.app, "HEAD", path))[0] == 200
    for method, path in (
        ("POST", "/api/v1/events"), ("GET", "/settings/webhooks"), ("GET", "/api/docs"),
        ("GET", "/"),
    ):  # fmt: skip
        status, media_type, body = await request(http_app.app, method, path)
        assert (status, media_type) == (404, b"application/problem+json")
        problem = json.loads(body)
        assert problem["status"] == 404
        assert "This node only delivers" in problem["detail"]

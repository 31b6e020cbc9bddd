"""The comparison drives each peer by its API, with the same events; what is missing is counted.

Here a stand-in of each API takes the calls and sends the events on, so the drivers are tested
without the peers themselves.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from bench.child import BenchError
from bench.peers import Outpost, Svix, WebhookX, compare
from bench.processes import Receiver

TOKEN = "a-token"


class StandIn(ThreadingHTTPServer):
    """Takes a peer's calls, and sends the data of each event to the webhook that was made."""

    daemon_threads = True

    def __init__(self, answers: dict[str, dict], lost: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        """By the end of a path: what it answers."""
        self.lost = lost
        """Events that it accepts and does not send."""
        self.hook = ""
        self.calls: list[tuple[str, str, dict]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def handle_any(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, {"detail": "wrong token"})
            return
        with self.server.lock:
            self.server.calls.append((self.command, self.path, body))
        for place in (body.get("config", {}).get("url"), body.get("url"),
                      body.get("request", {}).get("url")):  # fmt: skip
            self.server.hook = place or self.server.hook
        data = body.get("payload") or (body.get("data") if "topic" in body else None)
        data = data or (body.get("data") if "event_type" in body else None)
        if data is None:
            found = [
                answer for end, answer in self.server.answers.items() if self.path.endswith(end)
            ]
            self.answer(201, found[0] if found else {})
            return
        with self.server.lock:
            self.server.lost -= 1
            is_lost = self.server.lost >= 0
        if not is_lost:
            self.send_on(data)
        self.answer(202, {})

    do_POST = do_PUT = handle_any  # noqa: N815  the names that http.server looks for

    def send_on(self, data: dict) -> None:
        parts = urlsplit(self.server.hook)
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        text = json.dumps({"data": data}, separators=(",", ":"))
        connection.putrequest("POST", parts.path)
        connection.putheader("content-length", str(len(text)))  # as Rust's clients write it
        connection.endheaders(text.encode())
        connection.getresponse().read()
        connection.close()

    def answer(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def stand_in(answers: dict[str, dict], lost: int = 0) -> Iterator[StandIn]:
    server = StandIn(answers, lost)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rows(peer, tmp_path) -> list[dict]:
    """The row of each load after one short round."""
    with Receiver(tmp_path) as receiver:
        tables = compare([peer], receiver, rounds=1, seconds=0.2, clients=2, say=lambda _text: None)
    return [dict(zip(table.columns, table.rows[0], strict=False)) for table in tables]


def posted(server: StandIn) -> list[tuple[str, str]]:
    """The calls that prepared it, in order and once each."""
    return list(dict.fromkeys((method, path) for method, path, _ in server.calls))


def test_svix_is_driven_by_applications_endpoints_and_messages(tmp_path) -> None:
    with stand_in({"/app/": {"id": "app_1"}}) as server:
        closed, opened = rows(Svix("Svix", server.url, TOKEN), tmp_path)
    assert posted(server) == [
        ("POST", "/api/v1/event-type/"),
        ("POST", "/api/v1/app/"),
        ("POST", "/api/v1/app/app_1/endpoint/"),
        ("POST", "/api/v1/app/app_1/msg/"),
    ]
    assert closed["missing"] == opened["missing"] == 0
    assert closed["delivered/s"] > 0
    assert opened["to the receiver p50 ms"] > 0
    assert server.calls[-1][2]["payload"]["company"]["name"] == "Example Ltd"


def test_outpost_is_driven_by_tenants_destinations_and_publishing(tmp_path) -> None:
    with stand_in({}) as server:
        closed, _ = rows(Outpost("Outpost", server.url, TOKEN), tmp_path)
    calls = posted(server)
    tenant = calls[0][1]
    assert tenant.startswith("/api/v1/tenants/bench-")
    assert calls == [
        ("PUT", tenant), ("POST", f"{tenant}/destinations"), ("POST", "/api/v1/publish"),
    ]  # fmt: skip
    assert server.calls[-1][2]["tenant_id"] == tenant.rpartition("/")[2]
    assert closed["missing"] == 0


def test_webhookx_is_driven_by_an_endpoint_that_signs_and_a_source(tmp_path) -> None:
    with stand_in({"/endpoints": {"id": "ep_1"}}) as server:
        peer = WebhookX("WebhookX", server.url, TOKEN, proxy=server.url)
        closed, _ = rows(peer, tmp_path)
    plugin = next(body for _, path, body in server.calls if path.endswith("/plugins"))
    assert plugin["name"] == "webhookx-signature"
    assert plugin["endpoint_id"] == "ep_1"
    source = next(body for _, path, body in server.calls if path.endswith("/sources"))
    assert server.calls[-1][1] == source["config"]["http"]["path"]
    assert closed["missing"] == 0


def test_events_that_were_accepted_and_do_not_arrive_are_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("bench.peers.QUIET_SECONDS", 0.5)
    with stand_in({}, lost=3) as server:
        closed, opened = rows(Outpost("Outpost", server.url, TOKEN), tmp_path)
    assert closed["missing"] == 3
    assert opened["missing"] == 0


def test_a_peer_that_refuses_is_named_with_its_answer(tmp_path) -> None:
    with (
        stand_in({}) as server,
        Receiver(tmp_path) as receiver,
        pytest.raises(BenchError, match=r"Outpost: PUT /api/v1/tenants/.*401.*wrong token"),
    ):
        compare([Outpost("Outpost", server.url, "another")], receiver, rounds=1, seconds=0.1)


def test_a_peer_that_is_not_there_is_named(tmp_path) -> None:
    with (
        Receiver(tmp_path) as receiver,
        pytest.raises(BenchError, match=r"Svix at http://127\.0\.0\.1:9 cannot be reached"),
    ):
        compare([Svix("Svix", "http://127.0.0.1:9", "t")], receiver, rounds=1, seconds=0.1)

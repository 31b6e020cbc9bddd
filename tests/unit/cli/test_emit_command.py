"""`emit`: what it sends, and what it prints for each answer."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ACCEPTED = (202, {}, b'{"id":"evt_1","duplicate":false,"deliveries":2}')


class Api(ThreadingHTTPServer):
    """An HTTP server that records requests and gives fixed answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, dict[str, str], bytes] = ACCEPTED
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, headers, answer = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def emit(run):
    return partial(run, "emit")


EVENT = ["contact.created", "--organization", "org_1", "--data"]


def test_it_posts_the_event_with_the_key_and_prints_the_answer(api, emit):
    done = emit(
        *EVENT, '{"id": "c"}', "--id", "crm-1", "--timestamp", "2025-01-15T14:23:00Z",
        "--server", api.url, "--key", "wwk_1",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"id": "evt_1", "duplicate": False, "deliveries": 2}
    ((path, headers, body),) = api.requests
    assert path == "/api/v1/events"
    assert headers["Authorization"] == "Bearer wwk_1"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "event": "contact.created",
        "organizationId": "org_1",
        "data": {"id": "c"},
        "timestamp": "2025-01-15T14:23:00Z",
        "id": "crm-1",
    }


def test_key_and_server_come_from_variables_when_no_option_names_them(api, emit):
    done = emit(*EVENT, "{}", API_KEY="wwk_2", PUBLIC_URL=f"{api.url}/")
    assert done.returncode == 0
    ((path, headers, _),) = api.requests
    assert (path, headers["Authorization"]) == ("/api/v1/events", "Bearer wwk_2")


def test_data_from_stdin_keeps_its_digits(api, emit):
    data = '{"amount": 12345678901234567890.10, "e": "\\u00e9", "z": 1, "a": 2}'
    assert emit(*EVENT, "-", "--server", api.url, "--key", "k", stdin=data).returncode == 0
    ((_, _, body),) = api.requests
    assert data.encode() in body


def test_a_problem_is_shown_as_lines_and_the_exit_code_is_1(api, emit):
    problem = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "There is no event contact.creatd.",
        "errors": [{"pointer": "/event", "message": "Did you mean contact.created?"}],
    }
    api.answer = (422, {}, json.dumps(problem).encode())
    done = emit(*EVENT, "{}", "--server", api.url, "--key", "k")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "422 Unprocessable Content: There is no event contact.creatd.",
        "  /event: Did you mean contact.created?",
    ]


def test_overload_says_when_to_try_again(api, emit):
    api.answer = (503, {"Retry-After": "2"}, b'{"title": "Unavailable", "detail": "Too much."}')
    done = emit(*EVENT, "{}", "--server", api.url, "--key", "k")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["503 Unavailable: Too much.", "  Try again in 2 s."]


def test_an_answer_that_is_not_from_the_api_is_recognized(api, emit):
    api.answer = (404, {}, b"<html>nginx</html>")
    done = emit(*EVENT, "{}", "--server", api.url, "--key", "k")
    assert done.returncode == 1
    assert "not from the API of Winnerr Webhooks: <html>nginx</html>" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([*EVENT, "{}", "--server", "http://127.0.0.1:1", "--key", "k"], 1, "No answer from"),
        ([*EVENT, "{}", "--server", "localhost", "--key", "k"], 2, "expected http://host:port"),
        ([*EVENT, "{}", "--server", "http://h:x", "--key", "k"], 2, "expected http://host:port"),
        ([*EVENT, "{}"], 2, "No API key: give --key or WINNERR_WEBHOOKS_API_KEY"),
        ([*EVENT, "{}", "--key", "wwk_é"], 2, "a character that is never part of a key"),
        ([*EVENT, "{'a': 1}", "--key", "k"], 2, "--data is not JSON"),
    ],
)
def test_an_event_that_cannot_be_sent_is_reported_in_one_line(words, code, says, emit):
    done = emit(*words)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert says in line

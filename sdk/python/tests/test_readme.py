"""The code blocks of the README work."""

import json
import re
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_code_runs(number, monkeypatch, tmp_path):
    monkeypatch.setenv("WINNERR_WEBHOOK_SECRET", "a secret for tests")
    monkeypatch.chdir(tmp_path)
    for framework in ("fastapi", "flask", "django"):
        if f"from {framework}" in BLOCKS[number]:
            pytest.importorskip(framework)
    names = {"__name__": "readme"}
    exec(compile(BLOCKS[number], f"README.md, block {number}", "exec"), names)
    for name, value in names.items():
        if isinstance(value, sqlite3.Connection) or name == "emitter":
            value.close()


def test_one_program_takes_two_senders_while_receivers_move():
    from winnerr_webhooks_sdk.testing import sign

    page = README.parents[2] / "docs/how-to/move-from-another-sender.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    names = {}
    exec(block, names)
    for options in ({}, {"signature_header": "X-Hub-Signature-256"}):
        body, headers = sign("contact.created", names["secret"], **options)
        if options:
            headers = {name: headers[name] for name in options.values()}
        assert names["verifier_of"](headers).verify(body, headers).type == "contact.created"


def test_the_first_block_receives_a_request(monkeypatch, capsys):
    from winnerr_webhooks_sdk.testing import sign

    monkeypatch.setenv("WINNERR_WEBHOOK_SECRET", "a secret for tests")
    names = {}
    exec(BLOCKS[0], names)
    assert names["receive"](*sign("contact.created", "a secret for tests")) == 204
    assert names["receive"](*sign("contact.created", "another secret")) == 401
    assert "Jane Smith <jane@example.com>\nno_match" in capsys.readouterr().out


def test_the_example_of_the_readme_sends_its_draft_and_returns_the_webhook():
    received = []

    class Api(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(201)
            self.end_headers()
            self.wfile.write(b'{"id": "wh_1"}')

        def log_message(self, *_parts):
            pass

    (block,) = [one for one in BLOCKS if "api_types" in one]
    names = {}
    exec(block, names)
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert names["create"](url, "the key", "org_1") == {"id": "wh_1"}
        thread.join()
    assert received == [("/api/v1/organizations/org_1/webhooks", "Bearer the key", names["draft"])]

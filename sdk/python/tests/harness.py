"""What tests stand on: the real server, and a scripted one."""

import asyncio
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from winnerr_webhooks_sdk import AsyncEmitter
from winnerr_webhooks_sdk.outbox import Outbox

JANE = {"id": "contact_xyz", "name": "Zoë 木村"}
REPOSITORY = Path(__file__).parents[3]
SERVER_PYTHON = os.environ.get("SERVER_PYTHON") or str(REPOSITORY / ".venv/bin/python")
"""The Python that the server's packages are installed for; the SDK's own may be older."""


class Service:
    """`winnerr-webhooks serve` on SQLite, as its own process."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WINNERR_WEBHOOKS_")}
        self.environment = {
            **kept,
            "PYTHONPATH": str(REPOSITORY / "src"),
            "WINNERR_WEBHOOKS_DATABASE_URL": f"sqlite:///{folder / 'service.db'}",
            "WINNERR_WEBHOOKS_PORT": str(self.port),
            "WINNERR_WEBHOOKS_ALLOW_HTTP": "true",
            "WINNERR_WEBHOOKS_ALLOW_NETWORKS": "127.0.0.0/8",
        }
        self.process = None
        self.key = ""

    def command(self, *words):
        return [SERVER_PYTHON, "-m", "winnerr_webhooks", *words]

    def start(self):
        self.process = subprocess.Popen(
            self.command("serve"),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        seen = []
        for line in self.process.stdout:
            seen.append(line.decode())
            if re.search(r"http://127\.0\.0\.1:\d+", seen[-1]):
                break
        else:
            raise RuntimeError("serve ended: " + "".join(seen))
        threading.Thread(target=_drain, args=(self.process.stdout,), daemon=True).start()
        self.key = self.key or self.new_key()

    def new_key(self, *options):
        command = self.command("keys", "create", "--name", "test", *options)
        made = subprocess.run(
            command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, check=True
        )
        return made.stdout.decode().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


_POSTGRES = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from tests import postgres, postgres_binaries
try:
    server = postgres.PostgresServer.create()
except postgres_binaries.Missing as error:
    sys.exit(str(error))
print(server.url(asyncio.run(server.create_database())), flush=True)
sys.stdin.read()
server.stop()
server.close()
"""


@contextlib.contextmanager
def postgres():
    """A URL of a PostgreSQL: `TEST_POSTGRES_URL`, or of one that is started for the tests.

    It is started as the server's own tests do it. `Missing` where it cannot be.
    """
    if "TEST_POSTGRES_URL" in os.environ:
        yield os.environ["TEST_POSTGRES_URL"]
        return
    if not Path(SERVER_PYTHON).exists():
        raise Missing("set TEST_POSTGRES_URL, or SERVER_PYTHON")
    process = subprocess.Popen(
        [SERVER_PYTHON, "-c", _POSTGRES, str(REPOSITORY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        url = process.stdout.readline().decode().strip()
        if not url:
            raise Missing("PostgreSQL cannot be started here")
        yield url


@contextlib.contextmanager
def mariadb(folder):
    """The port of a MariaDB of its own, from `mariadbd` on the path or where `TEST_MARIADBD` is."""
    program = os.environ.get("TEST_MARIADBD") or shutil.which("mariadbd")
    if not program:
        raise Missing("mariadbd is not here; TEST_MARIADBD may say where it is")
    port = free_port()
    command = [program, "--no-defaults", "--skip-grant-tables", f"--datadir={folder}"]
    command += [f"--socket={folder}/socket", f"--port={port}", "--bind-address=127.0.0.1"]
    command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]
    command += ["--user=root"] if os.getuid() == 0 else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while b"ready for connections" not in (folder / "log").read_bytes():
            if process.poll() is not None or time.monotonic() > end:
                text = (folder / "log").read_text(errors="replace")
                raise Missing(f"mariadbd does not start: {text[-500:]}")
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


class SqliteDatabase:
    def __init__(self, file):
        self.place = self.file = file
        self.relay_url = f"sqlite:///{file}"

    def connect(self):
        connection = sqlite3.connect(str(self.file), timeout=60)
        connection.execute("PRAGMA journal_mode=WAL")
        return connection


class PostgresDatabase:
    def __init__(self, url):
        self.place = self.url = self.relay_url = url

    def connect(self):
        return pytest.importorskip("psycopg").connect(self.url)


class MariaDatabase:
    def __init__(self, port):
        self.place = self.port = int(port)
        self.relay_url = f"mysql://root@127.0.0.1:{port}/product"
        with contextlib.closing(self.connect(None)) as connection:
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS product")

    def connect(self, name="product"):
        pymysql = pytest.importorskip("pymysql")
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", database=name)


def configure_django():
    """Set Django up, once a process, with a SQLite file of its own; skip where it is not here."""
    django = pytest.importorskip("django")
    from django.conf import settings

    if not settings.configured:
        file = Path(tempfile.mkdtemp(prefix="winnerr-django-")) / "django.db"
        default = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}
        settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={"default": default},
            ROOT_URLCONF=(),
            SECRET_KEY="for tests",
            USE_TZ=True,
        )
        django.setup()
    return settings


class Missing(Exception):  # noqa: N818  it reads as it is: except Missing
    """What a test needs is not here."""


def _drain(output):
    """Read what a process writes until it ends, so that it never waits for it."""
    with output:
        output.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ScriptedApi(http.server.ThreadingHTTPServer):
    """An API that answers as a test says, and keeps what it got."""

    daemon_threads = True

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = []
        self.connections = set()
        self.answers = []
        """What comes next: (status, headers, body), or a function of the handler."""
        self.context = context
        scheme = "https" if context else "http"
        host = "localhost" if context else "127.0.0.1"
        self.url = f"{scheme}://{host}:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request, client_address):
        pass

    def ids(self):
        return [request["id"] for request in self.requests]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.requests.append(body)
        server.connections.add(self.client_address)
        answer = server.answers.pop(0) if server.answers else accepted(body)
        if callable(answer):
            answer = answer(self)
        if answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Transfer-Encoding" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def accepted(body):
    one = {"id": "evt_1", "duplicate": False, "deliveries": 0}
    answer = {"results": [one] * len(body)} if isinstance(body, list) else one
    return 202, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def problem(status, title="Not now", detail="Nothing was done.", **rest):
    """An answer with a problem; `retry_after` becomes a header."""
    headers = {"Content-Type": "application/problem+json"}
    if "retry_after" in rest:
        headers["Retry-After"] = str(rest.pop("retry_after"))
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **rest}
    return status, headers, json.dumps(body).encode()


class BlockingEmitter:
    """`AsyncEmitter`, called as `Emitter` is."""

    def __init__(self, *arguments, **options):
        self.emitter = AsyncEmitter(*arguments, **options)
        self.loop = asyncio.new_event_loop()

    def emit(self, *arguments, **options):
        return self.loop.run_until_complete(self.emitter.emit(*arguments, **options))

    def emit_many(self, events):
        return self.loop.run_until_complete(self.emitter.emit_many(events))

    def close(self):
        self.loop.run_until_complete(self.emitter.close())
        self.loop.close()


def emit(connection, *numbers, organization="org_1"):
    """Commit events with these numbers to the outbox."""
    outbox = Outbox(connection)
    for number in numbers:
        outbox.emit("contact.created", organization, {"n": number}, id=f"{organization}-{number}")
    connection.commit()


def sent(api):
    """Return all events that the scripted API got."""
    return [event for request in api.requests for event in request]

"""What the benches share: the server as a process, its API, and the machine's accounting."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of a process, all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def get(url, key=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
        return response.read().decode()


def post(url, key, body):
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())


def until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("gave up waiting")
        time.sleep(0.01)


def answers(url):
    try:
        return bool(get(url))
    except OSError:
        return False


def metric(text, name):
    values = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE)
    return sum(float(value) for value in values)


class Server:
    """A fresh `serve` with a key for its API."""

    def __init__(self, folder, **more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {
            "WINNERR_WEBHOOKS_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
            "WINNERR_WEBHOOKS_PORT": str(self.port),
            "WINNERR_WEBHOOKS_ALLOW_HTTP": "true",
            "WINNERR_WEBHOOKS_ALLOW_NETWORKS": "127.0.0.0/8",
        } | {f"WINNERR_WEBHOOKS_{name}": value for name, value in more.items()}
        environment = os.environ | settings
        command = [sys.executable, "-m", "winnerr_webhooks"]
        create = [*command, "keys", "create", "--name", "bench"]
        self.key = subprocess.check_output(create, env=environment, text=True).strip()
        self.process = subprocess.Popen(
            [*command, "serve"], env=environment, stdout=subprocess.DEVNULL
        )
        until(lambda: answers(self.url + "/healthz"))

    def webhook(self, organization, url):
        """Add a webhook that wants everything."""
        webhooks = f"{self.url}/api/v1/organizations/{organization}/webhooks"
        return post(webhooks, self.key, {"url": url, "events": ["*"], "generateSecret": True})

    def logged(self):
        text = get(self.url + "/metrics")
        attempts = metric(text, "winnerr_webhooks_attempts_total")
        return 0 if metric(text, "winnerr_webhooks_pending") else attempts

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        if code:
            raise SystemExit(f"serve ended with {code}")

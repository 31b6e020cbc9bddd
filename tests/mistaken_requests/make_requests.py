"""Make `requests.json`: 40 mistaken requests, as real receivers in six languages produce them.

    JACKSON=/folder/of/jars python tests/mistaken_requests/make_requests.py

The programs are in `receivers.py`. True signatures come from `openssl` (`sdk/make_vectors.py`), so
nothing here knows how the signature check works. Jackson's jars (databind, core, annotations) have
to be in the folder that `JACKSON` names.
"""

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ID = "evt_01jhmz6c0a0000000001q3w9e5"
TIME = 1736950982


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


vectors = load(HERE.parents[1] / "sdk/make_vectors.py")
receivers = load(HERE / "receivers.py")
SECRET, OTHER = vectors.WHSEC, vectors.OTHER

START = '{"event":"%s","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_abc123","data":'
BODIES = {
    "contact": START % "contact.created"
    + '{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com"}}',
    "deal": START
    % "deal.closed_won"
    + '{"id":"deal_4821","name":"Zoë & Søn <Größe>","url":"https://example.com/deals/4821",'
    '"amount":12000.0,"lines":[{"sku":"A-1","count":3}]}}',
    "escaped": START % "contact.created"
    + r'{"id":"contact_xyz","name":"Zo\u00eb S\u00f8n","email":"zoe@example.com"}}',
    "task": START
    % "task.created"
    + '{"id":"task_310","title":"Angebot prüfen / zurücksenden","tags":["priority","büro"],'
    '"custom":{},"dueAt":null,"done":false}}',
}

COMMANDS = {
    "node": ["node", "main.js"],
    "php": ["php", "main.php"],
    "python": [sys.executable, "main.py"],
    "ruby": ["ruby", "main.rb"],
    "go": ["go", "run", "main.go"],
    "java": ["java", "-cp", os.environ.get("JACKSON", ".") + "/*", "Main.java"],
}


def run(receiver, raw: bytes) -> bytes:
    command = COMMANDS[receiver.language]
    program = receiver.program
    with tempfile.TemporaryDirectory() as folder:
        source = "<?php " + program if receiver.language == "php" else program
        (Path(folder) / command[-1]).write_text(source)
        environment = os.environ | {
            "SECRET": SECRET,
            "ID": ID,
            "TIME": str(TIME),
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            command, input=raw, stdout=subprocess.PIPE, cwd=folder, env=environment, check=True
        )
    return done.stdout


def request(name, mistakes, body: bytes, headers, *, secret=SECRET, previous=None, now=TIME + 3):
    return {
        "name": name,
        "mistakes": sorted(mistakes),
        "body": base64.b64encode(body).decode(),
        "headers": headers,
        "secret": secret,
        "previous": previous,
        "now": now,
    }


def make():
    for one in receivers.BODIES:
        raw = BODIES[one.event].encode()
        yield request(one.name, one.mistakes, run(one, raw), vectors.signed(SECRET, raw))
    for one in receivers.SIGNATURES:
        raw = BODIES[one.event].encode()
        signature = run(one, raw).decode().strip()
        headers = [["signature", signature], ["webhook-id", ID], ["webhook-timestamp", str(TIME)]]
        yield request(one.name, one.mistakes, raw, headers)
    deal = BODIES["deal"].encode()
    signed = vectors.signed(SECRET, deal)
    yield request("secret_of_another_webhook", ["wrong_secret"], deal, signed, secret=OTHER)
    yield request(
        "secret_file_with_a_newline", ["whitespace_in_secret"], deal, signed, secret=SECRET + "\n"
    )
    yield request(
        "rotated_and_still_signed_with_the_old", ["previous_secret"], deal, signed,
        secret=OTHER, previous=SECRET,
    )  # fmt: skip
    yield request("sent_again_after_two_hours", ["too_old"], deal, signed, now=TIME + 7200)


if __name__ == "__main__":
    missing = [name for name in ("node", "php", "ruby", "go", "java") if not shutil.which(name)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    made = list(make())
    (HERE / "requests.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{len(made)} requests\n")

"""The exported documents in tools that receivers use: AsyncAPI's parser, a client generator.

`tests/install document-tools` brings them from npm; without them, these tests are skipped.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.unit.event_catalog.test_event_documents import BRANDING, OWN

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.event_catalog.event_documents import asyncapi_document, openapi_document

TOOLS = Path(__file__).parents[2] / "documents"
PROGRAMS = TOOLS / "node_modules" / ".bin"
SECONDS = 120
RECEIVER = """
import type { webhooks } from "./events";

type Payload<Name extends keyof webhooks> =
  webhooks[Name]["post"]["requestBody"]["content"]["application/json"];

export function paid(payload: Payload<"order.paid">): string {
  const name: "order.paid" = payload.event;
  return name + payload.data.id + payload.timestamp + payload.organizationId;
}
"""


@pytest.fixture(autouse=True)
def tools():
    if shutil.which("node") is None or not PROGRAMS.is_dir():
        pytest.skip("no document tools here: `tests/install document-tools` needs node and npm")


def run(*words, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def validated(document: object, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "asyncapi.json").write_text(json.dumps(document))
    return run("node", TOOLS / "validate_asyncapi.mjs", folder / "asyncapi.json", folder=folder)


@pytest.mark.parametrize("catalog", [OWN, CATALOG], ids=["own", "default"])
def test_asyncapis_own_parser_finds_nothing_wrong(catalog, tmp_path):
    done = validated(asyncapi_document(catalog, BRANDING), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_asyncapis_own_parser_would_find_a_mistake(tmp_path):
    document = asyncapi_document(OWN, BRANDING)
    del document["info"]["version"]
    done = validated(document, tmp_path)
    assert done.returncode == 1
    assert '"info" property must have required property "version"' in done.stdout


def test_a_client_generated_from_the_openapi_document_compiles(tmp_path):
    """A receiver with the generated types compiles, and one that mistakes a field does not."""
    (tmp_path / "openapi.json").write_text(json.dumps(openapi_document(OWN, BRANDING)))
    made = run(PROGRAMS / "openapi-typescript", "openapi.json", "-o", "events.ts", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    (tmp_path / "receiver.ts").write_text(RECEIVER)
    compile_ = (PROGRAMS / "tsc", "--strict", "--noEmit", "receiver.ts")
    done = run(*compile_, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "receiver.ts").write_text(RECEIVER.replace("payload.data.id", "payload.data_.id"))
    done = run(*compile_, folder=tmp_path)
    assert "Property 'data_' does not exist" in done.stdout

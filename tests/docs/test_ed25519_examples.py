"""The key in docs/how-to/verify-ed25519-signatures.md is real, and verifies a shared vector."""

import base64
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/verify-ed25519-signatures.md").read_text()
VECTOR = json.loads((ROOT / "sdk/vectors.json").read_text())["ed25519"][0]


def example(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def test_the_python_example_verifies_a_request(monkeypatch, sdk_not_imported):
    monkeypatch.syspath_prepend(str(ROOT / "sdk/python/src"))
    values: dict[str, object] = {}
    exec(example("python"), values)
    event = values["webhook"].verify(  # type: ignore[attr-defined]
        base64.b64decode(VECTOR["body"]), VECTOR["headers"], now=VECTOR["now"]
    )
    assert event.id == VECTOR["expect"]["id"]


def test_the_javascript_example_has_the_same_key():
    """`sdk/js/tests` verifies the vectors of this key."""
    (key,) = re.findall(r"whpk_[\w+/=]+", example("js"))
    assert [key] == VECTOR["secrets"]

"""The scripts beside the documentation find what they import from the product."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.py")), ids=lambda path: path.name)
def test_a_script_can_be_imported(path, monkeypatch):
    pytest.importorskip("playwright")
    monkeypatch.syspath_prepend(DOCS)  # as for a script that is run
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))

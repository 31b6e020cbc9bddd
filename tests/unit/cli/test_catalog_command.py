"""`catalog`: checks, imports and exports, and `emit --example`."""

import json
import re
import shlex
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[3] / "docs/reference/cli.md"
GOOD = """
categories:
- name: Orders
  events:
  - {name: order.paid, description: It was paid., example: {id: x}}
"""


def example_of(command: str) -> list[str]:
    """The words of the example that the reference has for a command."""
    section = re.search(rf"^## {command}\n(.*?)^## ", REFERENCE.read_text("utf-8"),
                        re.DOTALL | re.MULTILINE)[1]  # fmt: skip
    return shlex.split(re.search(r"```sh\nwinnerr-webhooks ([^>\n]+)", section)[1])


def test_a_good_file_is_counted(run, tmp_path):
    (tmp_path / "events.yaml").write_text(GOOD)
    done = run(*example_of("catalog check"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "events.yaml: 1 event types in 1 categories.\n"


def test_every_mistake_is_a_line_with_its_place(run, tmp_path):
    (tmp_path / "events.yaml").write_text(GOOD.replace("order.paid", "A").replace("{id: x}", "7"))
    done = run(*example_of("catalog check"))
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["events.yaml:5", "events.yaml:5"]
    assert "categories[0].events[0].name" in lines[0]


def test_an_openapi_document_becomes_a_file_that_check_takes(run, tmp_path):
    document = {"webhooks": {"order.paid": {"post": {"summary": "It was paid."}}}}
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    done = run(*example_of("catalog import"))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "events.yaml").write_text(done.stdout)
    assert run("catalog", "check", "events.yaml").returncode == 0


def test_an_import_with_mistakes_prints_them_and_ends_with_1(run, tmp_path):
    media = {"schema": {"required": ["id"]}, "example": {}}
    body = {"content": {"application/json": media}}
    document = {"webhooks": {"a": {"post": {"requestBody": body}}}}
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    done = run("catalog", "import", "--openapi", "openapi.json")
    assert done.returncode == 1
    assert "name: a" in done.stdout
    assert "`id` is missing" in done.stderr


@pytest.mark.parametrize(
    ("form", "has"),
    [
        ("yaml", "- name: order.paid"),
        ("openapi", '"webhooks"'),
        ("asyncapi", '"channels"'),
    ],
)
def test_the_catalogue_in_use_is_exported(run, tmp_path, form, has):
    (tmp_path / "events.yaml").write_text(GOOD)
    settings = {"EVENT_CATALOG": "events.yaml", "BRAND": "Globex"}
    done = run("catalog", "export", "--format", form, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert has in done.stdout
    assert "contact.created" not in done.stdout
    assert "innerr" not in done.stdout


def test_without_a_file_the_default_catalogue_is_exported(run):
    document = json.loads(run(*example_of("catalog export")).stdout)
    assert len(document["webhooks"]) == 20


def test_a_wrong_format_or_file_is_one_line(run):
    done = run("catalog", "export", "--format", "xml")
    assert done.returncode == 2
    assert "yaml, openapi or asyncapi" in done.stderr
    done = run("catalog", "export", EVENT_CATALOG="none.yaml")
    assert done.returncode == 78
    assert "EVENT_CATALOG: none.yaml:1: the file cannot be read" in done.stderr
    done = run("catalog", "import", "--openapi", "none.json")
    assert "none.json cannot be read" in done.stderr

"""The documentation says what the program does: what is not documented fails the build."""

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import typer.main

import winnerr_webhooks
from winnerr_webhooks.cli.commands import app
from winnerr_webhooks.config import PREFIX, SETTINGS, Config, load

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/winnerr_webhooks"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], key=lambda page: page.relative_to(ROOT)
)
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, always").decode()
BODY = '{"event":"contact.created","data":{"name":"Zoë  \\u00e9","n":1.0}}'.encode()
SIGNATURE = "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()

CASES = [
    (SECRET, BODY, SIGNATURE, True),
    (SECRET, BODY + b" ", SIGNATURE, False),
    (SECRET + "x", BODY, SIGNATURE, False),
    (SECRET, BODY, SIGNATURE.upper(), False),
    (SECRET, BODY, "sha256=", False),
    (SECRET, BODY, "sha256=" + "é" * 64, False),
    (SECRET, BODY, None, False),
]


def page(name: str) -> str:
    return (ROOT / name).read_text()


def samples(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)


def commands() -> dict[str, list[str]]:
    """Each command with its options and arguments, as the program itself has them."""
    found: dict[str, list[str]] = {}

    def visit(command, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", {})
        for name, child in children.items():
            visit(child, (*path, name))
        if path and not children:
            found[" ".join(path)] = [
                word
                for parameter in command.params
                for word in (
                    [*parameter.opts, *parameter.secondary_opts]
                    if parameter.param_type_name == "option"
                    else [parameter.metavar or parameter.name.upper()]
                )
            ]

    visit(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented_with_its_real_default(setting):
    pattern = rf"^\| `{setting.name}` \| (`(.*?)`|empty) \| (.+) \|$"
    row = re.search(pattern, page("docs/reference/settings.md"), re.MULTILINE)
    assert row, f"docs/reference/settings.md has no row for {setting.name}"
    default = getattr(Config(), setting.field)
    if row[2] is None:
        assert default in ("", (), None)
    else:
        assert getattr(load({PREFIX + setting.name: row[2]}, {}), setting.field) == default


def test_no_setting_is_documented_that_does_not_exist():
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \|", page("docs/reference/settings.md"), re.MULTILINE)
    assert rows == [setting.name for setting in SETTINGS]


@pytest.mark.parametrize(("command", "words"), commands().items())
def test_every_command_and_each_of_its_options_is_documented_in_its_section(command, words):
    text = page("docs/reference/cli.md")
    section = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, f"docs/reference/cli.md has no section for {command}"
    missing = [word for word in words if word != "--help" and f"`{word}`" not in section[1]]
    assert not missing


def test_no_command_is_documented_that_does_not_exist():
    sections = re.findall(r"^## (.+)$", page("docs/reference/cli.md"), re.MULTILINE)
    assert sorted(sections) == sorted(commands())


def test_every_log_line_that_is_documented_is_written_somewhere():
    rows = re.findall(
        r"^\| `([^`]+ [^`]+)` \| (\w+) \|", page("docs/reference/logs.md"), re.MULTILINE
    )
    source = "".join(path.read_text() for path in ROOT.glob("src/**/*.py"))
    assert len(rows) > 5
    for line, level in rows:
        assert re.search(rf'\.{level}\(\s*"{re.escape(line)}"', source), line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_documentation_leads_somewhere(path):
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        if file == "NNNN-name.md":  # the template's example
            continue
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target} leads nowhere"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings]
            assert anchor in slugs, f"{target}: no such heading"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_variable_a_page_names_exists(path):
    known = {"API_KEY", "OUTBOX_URL", *(setting.name for setting in SETTINGS)}
    assert known.issuperset(re.findall(rf"\b{PREFIX}([A-Z0-9_]+)", path.read_text()))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_and_file_a_page_names_exists(path):
    """Named from the repository's root or the package, as `tests/unit` or `pipeline.intake`."""
    for name in re.findall(r"`(\w+(?:[./]\w+)*[./]?)`", path.read_text()):
        folder = re.split("[./]", name)[0]
        for base in (ROOT, PACKAGE):
            if folder != name and (base / folder).is_dir():
                module = base / f"{name.replace('.', '/')}.py"
                assert (base / name).exists() or module.exists(), f"{name} does not exist"


def test_the_architecture_page_and_its_figure_name_the_stations_of_the_package():
    stations = re.findall(r"^(\d)\. `([\w.]+)`", winnerr_webhooks.__doc__ or "", re.MULTILINE)
    text = page("docs/explanation/architecture.md")
    assert re.findall(r"^\| (\d) \| `([\w.]+)`", text, re.MULTILINE) == stations
    figure = re.findall(r">(\d)  ([\w.]+)<", page("docs/explanation/road-of-an-event.svg"))
    drawn = [("3", "accept"), ("9", "settle")]  # inside the box of `storage`
    assert sorted(figure) == sorted([*drawn, *(one for one in stations if one[1] != "storage")])


def test_the_architecture_page_has_every_folder_and_module_of_the_package_in_its_rooms():
    rooms = page("docs/explanation/architecture.md").partition("## The rooms")[2].partition("##")[0]
    there = {item.stem for item in PACKAGE.iterdir() if not item.name.startswith(("_", "py."))}
    named = re.findall(r"`(\w+)/?`", "".join(re.findall(r"^\| (.+?) \|", rooms, re.MULTILINE)))
    helpers = {"settings_table", "setting_parsers", "encryption_keys", "database_url"}
    helpers |= {"file_permissions", "theme_files"}
    assert {*named, *helpers} == there
    assert all(f"`{name}`" in rooms for name in helpers)


def test_the_architecture_page_shows_the_import_direction_that_is_enforced():
    project = tomllib.loads(page("pyproject.toml"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    shown = re.search(
        r"^```\n(.*?)^```$", page("docs/explanation/architecture.md"), re.MULTILINE | re.DOTALL
    )
    assert shown
    assert ["__main__", *shown[1].splitlines()] == layers


def test_every_decision_is_in_the_index():
    index = page("docs/adr/README.md")
    decisions = [file.name for file in (ROOT / "docs/adr").glob("[0-9]*.md")]
    assert [name for name in decisions if f"({name})" not in index] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_python_sample_compiles_and_every_json_sample_parses(path):
    name = str(path.relative_to(ROOT))
    for sample in samples(name, "python"):
        compile(sample, name, "exec")
    for sample in samples(name, "json"):
        json.loads(sample)


def test_the_python_receiver_of_the_readme_accepts_what_is_signed_and_nothing_else():
    (sample,) = samples("README.md", "python")
    names: dict[str, object] = {}
    exec(sample, names)
    for secret, body, signature, expected in CASES:
        assert names["verify"](secret, body, signature) is expected


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed here")
def test_the_nodejs_receiver_of_the_readme_accepts_what_is_signed_and_nothing_else(tmp_path):
    (sample,) = samples("README.md", "js")
    cases = [[secret, body.hex(), signature] for secret, body, signature, _ in CASES]
    program = f"""{sample}
    const cases = {json.dumps(cases)};
    const answers = cases.map(([s, b, g]) => verify(s, Buffer.from(b, 'hex'), g ?? undefined));
    console.log(JSON.stringify(answers));
    """
    (tmp_path / "receiver.js").write_text(program)
    run = subprocess.run(
        ["node", tmp_path / "receiver.js"], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(run.stdout) == [expected for *_, expected in CASES]


@pytest.mark.parametrize("secret", [SECRET, "a secret of one's own"])
def test_the_standard_webhooks_sample_accepts_what_is_signed(secret):
    (sample,) = samples("docs/reference/receiving.md", "python")
    names: dict[str, object] = {}
    exec(sample, names)
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    now = str(int(time.time()))
    digest = hmac.new(key, f"evt_1.{now}.".encode() + BODY, hashlib.sha256).digest()
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    assert names["receive"](secret, BODY, headers) == json.loads(BODY)


def test_the_tutorials_receiver_starts_and_verifies(tmp_path):
    """Its request handling is run on a port of its own, as a process."""
    (sample,) = samples("docs/tutorial.md", "python")
    assert sample.count("3000") == 1
    (tmp_path / "receiver.py").write_text(
        sample.replace('HTTPServer(("127.0.0.1", 3000), Receiver).serve_forever()', PROBE)
    )
    run = subprocess.run(
        [sys.executable, tmp_path / "receiver.py"],
        env={"SECRET": SECRET},
        input=BODY,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.decode().splitlines() == [
        f"dlv_1 verified {BODY.decode()}",
        "200",
        f"dlv_1 FORGED {BODY.decode()}",
        "401",
    ]


PROBE = f"""
import http.client, sys, threading
body = sys.stdin.buffer.read()
server = HTTPServer(("127.0.0.1", 0), Receiver)
Receiver.log_message = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
for signature in ({SIGNATURE!r}, "sha256=0"):
    connection = http.client.HTTPConnection(*server.server_address)
    headers = {{"X-Winnerr-Delivery": "dlv_1", "X-Winnerr-Signature": signature}}
    connection.request("POST", "/", body, headers)
    print(connection.getresponse().status)
"""

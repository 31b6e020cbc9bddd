"""The console script: fast help, errors in one line, and meaningful exit codes."""

import json
import os
import subprocess
import sys

import pytest

import winnerr_webhooks
from winnerr_webhooks.config import SETTINGS

COMMANDS = [
    "serve",
    "config",
    "backup",
    "demo",
    "migrate",
    "emit",
    "catalog check",
    "catalog import",
    "catalog export",
    "keys create",
    "keys list",
    "keys revoke",
    "login-link",
]


WRONG = {
    "DATABASE_URL": "mysql://x", "HOST": "http://x", "PORT": "99999", "PUBLIC_URL": "webhooks",
    "SIGN_IN_URL": "login", "FRAME_ANCESTORS": "crm", "TRUSTED_PROXIES": "proxy",
    "RETRY_SCHEDULE": "60,x",
    "DELIVERY_TIMEOUT": "0", "DRAIN_SECONDS": "301", "SUCCESS_STATUSES": "3xx",
    "WEBHOOK_CONCURRENCY": "0",
    "DISABLE_AFTER_DAYS": "-1", "MAX_WEBHOOKS": "many", "ALLOW_HTTP": "maybe",
    "ALLOW_NETWORKS": "10.0.0.1/8", "DENY_NETWORKS": "x", "NAT64_PREFIXES": "10.0.0.0/8",
    "OPERATIONAL_URL": "http://ops.example.com/", "OPERATIONAL_SECRET": "short",
    "SMTP_URL": "mail.example.com", "MAIL_FROM": "nobody",
    "EGRESS_PROXY": "https://user:hunter2@proxy:3128",
    "EGRESS_ADDRESSES": "203.0.113.1/28",
    "ENCRYPTION_KEYS": "k1:short", "LOG_RETENTION_DAYS": "0",
    "EVENT_CATALOG": "/nowhere/events.yaml", "VALIDATE_DATA": "maybe",
    "ROLE": "both", "PROCESSES": "0",
    "BRAND": "x" * 65, "HEADER_PREFIX": "X Acme", "SIGNATURE_HEADER": "Host",
    "SIGNATURE_FORMAT": "sha1", "THEME_ACCENT": "green", "THEME_FONT": "a;b",
    "THEME_LOGO": "/nowhere/logo.svg", "THEME_COLOR_SCHEME": "sepia", "THEME_HEADER": "none",
    "THEME_STYLESHEET": "/nowhere/own.css", "DEFAULT_LANGUAGE": "nl",
    "LOG_LEVEL": "loud", "LOG_FORMAT": "xml",
}  # fmt: skip


POSTGRES = "postgresql://u:hunter2@127.0.0.1:9/w"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_says_what_a_command_does_with_an_example(command, run, tmp_path):
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"Usage: winnerr-webhooks {command}".rstrip() in done.stdout
    assert f"Example: winnerr-webhooks {command}".rstrip() in " ".join(done.stdout.split())
    assert list(tmp_path.iterdir()) == []


def _loaded_by(words: list[str], folder) -> set[str]:
    """Run a command in a process of its own; return the top-level modules that it loaded."""
    program = """
import json, sys
from winnerr_webhooks.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=True, timeout=60, cwd=folder,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_none_of_the_server(tmp_path):
    """So help is fast; a command imports what it needs when it runs."""
    heavy = {"litestar", "httptools", "uvloop", "apsw", "asyncpg", "cryptography", "structlog"}
    heavy |= {"aiodns", "rich"}
    assert not _loaded_by(["serve", "--help"], tmp_path) & heavy


@pytest.mark.parametrize(
    "words", [["migrate"], ["keys", "list"], ["login-link", "--organization", "org_1"]]
)
def test_a_command_loads_its_database_and_none_of_the_server(words, tmp_path):
    loaded = _loaded_by(words, tmp_path)
    assert "apsw" in loaded
    assert not loaded & {
        "litestar",
        "httptools",
        "jinja2",
        "aiodns",
        "prometheus_client",
        "asyncpg",
    }


def test_without_a_command_it_prints_the_help(run):
    done = run()
    assert done.returncode == 0
    for command in ("serve", "demo", "migrate", "keys", "emit"):
        assert f"  {command} " in done.stdout


def test_the_version_is_the_packages(run):
    assert run("--version").stdout.strip() == winnerr_webhooks.__version__


@pytest.mark.parametrize(
    ("words", "settings", "says"),
    [
        (["serve"], {"PORT": "tcp://10.0.0.7:8400"}, "WINNERR_WEBHOOKS_PORT='tcp://10.0.0.7:8400'"),
        (["serve", "--port", "x"], {}, "--port (WINNERR_WEBHOOKS_PORT)='x'"),
        (["serve"], {"DATABASE_URL": POSTGRES}, "ENCRYPTION_KEYS: required with PostgreSQL"),
        (
            ["serve", "--role", "api"],
            {},
            "WINNERR_WEBHOOKS_ROLE=api: with SQLite",
        ),
        (["serve"], {"ROLE": "deliver"}, "WINNERR_WEBHOOKS_ROLE=deliver"),
        (["serve", "--processes", "2"], {}, "WINNERR_WEBHOOKS_PROCESSES=2: only one process"),
        (["migrate", "--from", "sqlite:///w.db"], {}, "--to: expected a PostgreSQL database"),
        (["migrate", "--from", POSTGRES, "--to", POSTGRES], {}, "--from: expected an SQLite"),
        (["migrate", "--from", "w.db", "--to", POSTGRES], {}, "--from: expected sqlite:///"),
        (["migrate", "--from", "sqlite:///w.db", "--to", "u:hunter2@h"], {}, "--to: expected"),
        (["migrate", "--to", POSTGRES], {}, "--to needs --from"),
        (["migrate", "--from", "sqlite:///w.db", "--to", POSTGRES], {}, "w.db"),
        (["keys", "list"], {"DATABASE_URL": "nowhere"}, "WINNERR_WEBHOOKS_DATABASE_URL"),
        (["nonsense"], {}, "No such command 'nonsense' (see winnerr-webhooks --help)"),
        (["keys"], {}, "(see winnerr-webhooks keys --help)"),
        (["serve", "--prot", "1"], {}, "(see winnerr-webhooks serve --help)"),
        (["emit"], {}, "Missing argument 'EVENT' (see winnerr-webhooks emit --help)"),
        (["backup", "copy.db"], {"DATABASE_URL": POSTGRES}, "back it up with pg_dump"),
        (["demo", "--rate", "0"], {}, "(see winnerr-webhooks demo --help)"),
    ],
)
def test_wrong_settings_are_exit_code_78_and_wrong_usage_is_2_in_one_line(
    words, settings, says, run, tmp_path
):
    done = run(*words, **settings)
    of_a_setting = "WINNERR_WEBHOOKS_" in says or "ENCRYPTION_KEYS" in says or says == "w.db"
    assert done.returncode == (os.EX_CONFIG if of_a_setting else 2)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert says in line
    assert "hunter2" not in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_each_setting_that_is_wrong_stops_the_start_with_one_line_naming_it(name, run, tmp_path):
    done = run("serve", **{name: WRONG[name]})
    assert done.returncode == os.EX_CONFIG
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"WINNERR_WEBHOOKS_{name}" in line
    assert list(tmp_path.iterdir()) == []


def test_migrate_says_which_database_is_ready(run):
    done = run("migrate")
    assert (done.returncode, done.stdout) == (
        0,
        "winnerr-webhooks.db is ready for this version.\n",
    )


@pytest.mark.parametrize("command", ["migrate", "keys list"])
def test_an_unreachable_postgresql_is_reported_in_one_line_without_the_password(command, run):
    done = run(*command.split(), DATABASE_URL=POSTGRES)
    assert done.returncode == os.EX_TEMPFAIL
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "winnerr-webhooks: WINNERR_WEBHOOKS_DATABASE_URL: postgresql://127.0.0.1:9/w cannot be used"
    )
    assert "hunter2" not in line


def test_a_misspelled_setting_is_only_a_warning(run):
    done = run("migrate", DELIVERY_TIMOUT="3")
    assert done.returncode == 0
    assert "did you mean WINNERR_WEBHOOKS_DELIVERY_TIMEOUT?" in done.stderr


def test_a_missing_folder_is_reported_in_one_line_without_a_traceback(run):
    done = run("migrate", "--database-url", "sqlite:///no/such/folder/w.db")
    assert done.returncode == os.EX_CONFIG
    (line,) = done.stderr.splitlines()
    assert "no/such/folder" in line


def test_output_into_a_closed_pipe_is_no_traceback(tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "winnerr_webhooks", "--help"],
        cwd=tmp_path,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert "Traceback" not in done.stderr

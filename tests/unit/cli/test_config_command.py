"""`config`: shows what `serve` would run with, without secrets."""

import base64
import json
import os

from winnerr_webhooks.budgets import derive, descriptors_allowed
from winnerr_webhooks.config import SETTINGS, Config

KEY = base64.b64encode(b"k" * 32).decode()
POSTGRES = "postgresql://u:hunter2@127.0.0.1:9/w"


def test_it_shows_every_setting_with_its_value_and_its_source(run):
    done = run("config", "--json", "--port", "8401", RETRY_SCHEDULE="5,50", MAX_WEBHOOKS="7")
    assert done.returncode == 0
    settings = json.loads(done.stdout)["settings"]
    assert list(settings) == [setting.name for setting in SETTINGS]
    assert settings["PORT"] == {"value": 8401, "from": "option"}
    assert settings["PUBLIC_URL"] == {"value": "http://127.0.0.1:8401", "from": "default"}
    assert settings["RETRY_SCHEDULE"] == {"value": [5.0, 50.0], "from": "environment"}
    assert settings["HOST"] == {"value": "127.0.0.1", "from": "default"}


def test_it_shows_every_limit_with_unit_source_and_what_happens_when_it_is_reached(run):
    done = run("config", "--json", DELIVERY_TIMEOUT="30")
    bounds = json.loads(done.stdout)["bounds"]
    config = Config(delivery_timeout=30.0)
    expected = {bound.name: bound for bound in derive(config, descriptors_allowed())}
    assert bounds.keys() == expected.keys()
    for name, shown in bounds.items():
        assert shown == {k: v for k, v in expected[name]._asdict().items() if k != "name"}
    assert bounds["stop_seconds"]["limit"] == 40


def test_the_text_names_each_setting_and_limit_once(run):
    done = run("config")
    assert done.returncode == 0
    for setting in SETTINGS:
        assert done.stdout.count(f"\n  {setting.name} ") == 1
    for bound in derive(Config(), descriptors_allowed()):
        assert done.stdout.count(f"\n  {bound.name}: ") == 1


def test_a_mistake_in_the_catalogue_file_is_one_line_with_its_place_and_remedy(run, tmp_path):
    (tmp_path / "events.yaml").write_text("categories:\n  - name: Orders\n    event: []\n")
    done = run("config", EVENT_CATALOG="events.yaml")
    assert done.returncode == os.EX_CONFIG
    assert "EVENT_CATALOG" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("winnerr-webhooks: WINNERR_WEBHOOKS_EVENT_CATALOG: events.yaml:2: ")
    assert "categories[0].events: events is missing" in line


def test_the_settings_of_alerts_are_shown_without_what_is_secret_in_them(run):
    done = run(
        "config",
        "--json",
        OPERATIONAL_URL="https://ops.example.com/hunter2?key=hunter2",
        OPERATIONAL_SECRET="hunter2hunter2",
        SMTP_URL="smtp://u:hunter2@mail.example.com",
        MAIL_FROM="Acme <hooks@example.com>",
    )
    assert done.returncode == 0
    assert "hunter2" not in done.stdout + done.stderr
    settings = {name: one["value"] for name, one in json.loads(done.stdout)["settings"].items()}
    assert settings["OPERATIONAL_URL"] == "https://ops.example.com/•••"
    assert settings["OPERATIONAL_SECRET"] == "•••"
    assert settings["SMTP_URL"] == "smtp+starttls://u:•••@mail.example.com:587"
    assert settings["MAIL_FROM"] == "Acme <hooks@example.com>"


def test_no_password_and_no_key_is_shown(run):
    for words in (["config"], ["config", "--json"]):
        done = run(*words, DATABASE_URL=POSTGRES, ENCRYPTION_KEYS=f"k1:{KEY}")
        assert done.returncode == 0
        assert "hunter2" not in done.stdout + done.stderr
        assert KEY not in done.stdout + done.stderr
        assert "k1:•••" in done.stdout


def test_settings_that_cannot_work_are_shown_before_the_error_line(run):
    done = run("config", DATABASE_URL=POSTGRES)
    assert done.returncode == os.EX_CONFIG
    assert "DATABASE_URL" in done.stdout
    assert done.stderr.startswith("winnerr-webhooks: WINNERR_WEBHOOKS_ENCRYPTION_KEYS: ")
    assert len(done.stderr.splitlines()) == 1

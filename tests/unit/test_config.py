"""Settings: where they come from, what the start checks, and what is warned of."""

import base64
from pathlib import Path

import msgspec
import pytest
from tests.one_setting import error, one

from winnerr_webhooks.config import (
    PREFIX,
    SETTINGS,
    Config,
    check_service,
    database_path,
    load,
    warnings,
)
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.encryption_keys import parse_encryption_keys

KEY = base64.b64encode(bytes(32)).decode()
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()


def test_without_variables_every_setting_has_its_documented_default():
    assert load({}, {}) == Config()


def test_every_field_has_exactly_one_setting():
    assert [setting.field for setting in SETTINGS] == list(msgspec.structs.asdict(Config()))


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OPERATIONAL_URL": "http://ops.example.com/hunter2"}, "OPERATIONAL_URL: The URL must"),
        ({"OPERATIONAL_URL": "ops/hunter2"}, "OPERATIONAL_URL: Enter a whole URL"),
        ({"SMTP_URL": "smtps://u:hunter2@mail"}, "MAIL_FROM: SMTP_URL is set, so"),
    ],
)
def test_the_start_refuses_alerts_that_could_not_be_sent(environ, says):
    with pytest.raises(ConfigurationError) as refusal:
        check_service(load({PREFIX + name: value for name, value in environ.items()}))
    assert says in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_neither_repr_of_the_configuration_shows_a_password_or_a_key():
    environ = {
        PREFIX + "DATABASE_URL": "postgresql://u:hunter2@db/w",
        PREFIX + "ENCRYPTION_KEYS": f"k1:{OTHER_KEY}",
    }
    shown = repr(load(environ, {}))
    assert "hunter2" not in shown
    assert OTHER_KEY not in shown
    assert "k1" in shown


def test_an_option_takes_precedence_and_its_error_names_option_and_variable():
    environ = {PREFIX + "PORT": "9000"}
    assert load(environ, {"port": "9001"}).port == 9001
    with pytest.raises(ConfigurationError, match=r"--port \(WINNERR_WEBHOOKS_PORT\)='x'"):
        load(environ, {"port": "x"})


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"HOST": "::1"}, "http://[::1]:8400"),
        ({"HOST": "crm.local", "PUBLIC_URL": "https://w.example"}, "https://w.example"),
    ],
)
def test_the_public_url_follows_host_and_port_unless_it_is_set(environ, url):
    assert load({PREFIX + name: value for name, value in environ.items()}, {}).public_url == url


def test_a_misspelled_variable_is_warned_of_with_the_right_name():
    (line,) = warnings({PREFIX + "DELIVERY_TIMEOUTS": "5", "PATH": "/bin"})
    assert line == (
        "WINNERR_WEBHOOKS_DELIVERY_TIMEOUTS is not a setting: "
        "did you mean WINNERR_WEBHOOKS_DELIVERY_TIMEOUT?"
    )


def test_an_unknown_variable_is_warned_of_but_not_those_that_kubernetes_injects():
    lines = warnings(
        {
            PREFIX + "COLOUR": "blue",
            PREFIX + "API_KEY": "wwk_x",
            PREFIX + "SERVICE_HOST": "10.0.0.7",
            PREFIX + "SERVICE_PORT_HTTP": "80",
            PREFIX + "PORT_8400_TCP_ADDR": "10.0.0.7",
            **{setting.variable: "" for setting in SETTINGS},
        }
    )
    assert lines == ["WINNERR_WEBHOOKS_COLOUR is not a setting: it has no effect"]


def test_encryption_keys_are_read_in_order():
    first, second = parse_encryption_keys(f"new:{OTHER_KEY}, old:{KEY}")
    assert (first.id, first.key) == ("new", bytes(range(32)))
    assert (second.id, second.key) == ("old", bytes(32))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "key 1"),
        (KEY, "key 1"),
        (f"k!:{KEY}", "key 1"),
        (f"{'k' * 33}:{KEY}", "key 1"),
        (f"a:{KEY},b:not base64", "key 2"),
        (f"a:{KEY},", "key 2"),
        (f"a:{base64.b64encode(bytes(16)).decode()}", "16 bytes"),
        (f"a:{KEY},a:{OTHER_KEY}", "key 2"),
    ],
)
def test_wrong_encryption_keys_are_reported_without_repeating_them(text, says):
    line = error("ENCRYPTION_KEYS", text)
    assert line.startswith(PREFIX + "ENCRYPTION_KEYS")
    assert says in line
    assert KEY not in line
    assert OTHER_KEY not in line


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///w.db", Path("w.db")),
        ("sqlite:///data/w.db", Path("data/w.db")),
        ("sqlite:////var/lib/w.db", Path("/var/lib/w.db")),
    ],
)
def test_the_database_path_is_relative_with_three_slashes_and_absolute_with_four(url, path):
    assert database_path(one("DATABASE_URL", url)) == path


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///w.db", "w.db"),
        ("sqlite:////var/lib/w.db", "/var/lib/w.db"),
        ("postgresql://u:hunter2@db.example/w", "postgresql://db.example/w"),
        ("postgres://u:hunter2@h1:5432,h2/w?sslmode=require", "postgresql://h1:5432,h2/w"),
        ("postgresql://u@h", "postgresql://h"),
        ("postgresql:///w?host=/run/pg&password=hunter2", "postgresql:///run/pg/w"),
        ("postgresql://h?dbname=w&password=hunter2", "postgresql://h/w"),
    ],
)
def test_the_database_is_named_in_messages_without_user_password_and_options(url, name):
    config = one("DATABASE_URL", url)
    assert config.database_name == name
    assert config.uses_postgres is not url.startswith("sqlite")


def test_postgresql_has_no_path_and_says_so_without_its_password():
    with pytest.raises(
        ConfigurationError, match=r"DATABASE_URL: postgresql://h/w is not a file"
    ) as it:
        database_path(one("DATABASE_URL", "postgresql://u:hunter2@h/w"))
    assert "hunter2" not in str(it.value)


POSTGRES = {PREFIX + "DATABASE_URL": "postgresql://u:hunter2@db/w"}
KEYS = {PREFIX + "ENCRYPTION_KEYS": f"k1:{KEY}"}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({PREFIX + "ROLE": "api"}, "WINNERR_WEBHOOKS_ROLE=api"),
        ({PREFIX + "ROLE": "deliver"}, "WINNERR_WEBHOOKS_ROLE=deliver"),
        ({PREFIX + "PROCESSES": "2"}, "WINNERR_WEBHOOKS_PROCESSES=2"),
    ],
)
def test_an_sqlite_file_has_one_node_and_one_process(environ, says):
    with pytest.raises(ConfigurationError) as caught:
        check_service(load(environ))
    assert says in str(caught.value)
    assert "WINNERR_WEBHOOKS_DATABASE_URL=postgresql://" in str(caught.value)
    check_service(load(environ | POSTGRES | KEYS))


def test_serving_from_postgresql_needs_keys_and_says_how_to_create_one():
    with pytest.raises(ConfigurationError, match=r"ENCRYPTION_KEYS.*openssl rand -base64 32"):
        check_service(load(POSTGRES))
    check_service(load(POSTGRES | KEYS))


def test_serving_from_sqlite_needs_no_settings_at_all():
    check_service(load({}))


@pytest.mark.parametrize(
    ("role", "accepts", "delivers"),
    [("all", True, True), ("api", True, False), ("deliver", False, True)],
)
def test_a_role_says_whether_a_node_accepts_and_whether_it_delivers(role, accepts, delivers):
    config = one("ROLE", role)
    assert (config.accepts, config.delivers) == (accepts, delivers)

"""Every block of code in `docs/outbox.md` runs, in the product's own transactions."""

import re
import urllib.request

import pytest

import harness

psycopg = pytest.importorskip("psycopg")

PAGE = (harness.REPOSITORY / "docs/outbox.md").read_text(encoding="utf-8")
KEYS = "k1:" + "A" * 43 + "="


def block(language, word):
    """Return the one block of a language that has this word in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (one,) = [text for text in found if word in text]
    return one


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A database with the tables of the service, which a node has made, and of the product."""
    try:
        with harness.postgres() as owner:
            service = harness.Service(tmp_path_factory.mktemp("node"))
            service.environment["WINNERR_WEBHOOKS_DATABASE_URL"] = owner
            service.environment["WINNERR_WEBHOOKS_ENCRYPTION_KEYS"] = KEYS
            service.start()
            admin = re.sub(r"//\w+:", "//postgres:", owner)
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute("CREATE ROLE crm LOGIN PASSWORD 'x'")
                connection.execute(block("sql", "GRANT"))
                connection.execute(
                    "CREATE TABLE deals (id int PRIMARY KEY, stage text);"
                    "INSERT INTO deals SELECT n, 'open' FROM generate_series(8841, 8844) AS n;"
                    "GRANT ALL ON deals TO crm"
                )
            yield re.sub(r"//\w+:\w+@", "//crm:x@", owner), admin, service
            service.stop()
    except harness.Missing as error:
        pytest.skip(str(error))


@pytest.fixture
def product(url):
    return url[0]


@pytest.fixture
def closed(url):
    """Wait until a deal is closed and its event was accepted; return the event's data."""
    admin = url[1]

    def wait(deal_id):
        with psycopg.connect(admin, autocommit=True) as connection:
            stage = connection.execute("SELECT stage FROM deals WHERE id = %s", [deal_id])
            assert stage.fetchone() == ("won",)
            while True:  # pytest's time limit ends it
                found = connection.execute(
                    "SELECT body FROM winnerr_webhooks.event "
                    "WHERE position(convert_to(%s, 'UTF8') IN body) > 0",
                    [f"deal_{deal_id}"],
                ).fetchall()
                if found:
                    ((body,),) = found
                    assert b"deal.closed_won" in body
                    return body.decode()

    return wait


def run(word):
    names = {"__name__": "recipe"}
    exec(compile(block("python", word), f"docs/outbox.md, {word}", "exec"), names)
    return names


def test_sql(product, closed):
    with psycopg.connect(product, autocommit=True) as connection:
        connection.execute(block("sql", "BEGIN"))
    assert closed(8841).endswith('"data":{"id":"deal_8841","value":100.00}}')


def test_psycopg(product, closed):
    names = run("import psycopg")
    with psycopg.connect(product) as connection:
        names["close_deal"](connection, "org_abc123", 8842)
    closed(8842)


def test_sqlalchemy(product, closed):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    names = run("from sqlalchemy")
    engine = sqlalchemy.create_engine(product.replace("postgresql:", "postgresql+psycopg:"))
    with names["Session"](engine) as session:
        names["close_deal"](session, "org_abc123", 8843)
    engine.dispose()
    closed(8843)


def test_django(product, closed, tmp_path):
    """In a process of its own: settings and models are global there."""
    pytest.importorskip("django")
    import subprocess
    import sys
    from urllib.parse import urlsplit

    parts = urlsplit(product)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "PASSWORD": parts.password,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
    program = tmp_path / "recipe.py"
    program.write_text(
        f"""
import django
from django.conf import settings
settings.configure(DATABASES={{"default": {database!r}}})
django.setup()
from django.db import models

class Deal(models.Model):
    stage = models.TextField()
    class Meta:
        app_label = "crm"
        db_table = "deals"

{block("python", "from django")}

close_deal("org_abc123", Deal.objects.get(pk=8844))
"""
    )
    subprocess.run([sys.executable, program], check=True)
    closed(8844)


def test_metrics_that_the_page_names_exist(url):
    with urllib.request.urlopen(f"{url[2].url}/metrics") as answer:
        shown = answer.read().decode()
    for name in re.findall(r"`(winnerr_webhooks_outbox\w+)`", PAGE):
        assert f"\n{name} " in shown

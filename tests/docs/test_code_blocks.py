"""Every code block of the documentation is run by a test, or its place below says why not.

`make smoke` runs the sections of `sdk/smoke_rows.py`. Other tests run the blocks of `RUN_BY_TESTS`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "sdk"))

from code_blocks import Block, code_blocks, pages, section  # noqa: E402  the folder is no package
from smoke_rows import EMIT, HOW_TO, PACKAGES, README, REFERENCES, TUTORIALS  # noqa: E402

DOCS = "tests/unit/test_docs.py"
RECIPES = "sdk/python/tests/test_outbox_recipes.py"
SDK_PYTHON, SDK_PYTHON_TEST = "sdk/python/README.md", "sdk/python/tests/test_readme.py"
SDK_JS, SDK_JS_TEST = "sdk/js/README.md", "sdk/js/tests/readme.test.js"
READMES = "sdk/readme_tests/test_readmes.py"
CLI, CATALOG = "docs/reference/cli.md", "tests/unit/cli/test_catalog_command.py"
EVENTS, OWN_EVENTS = "docs/how-to/your-own-events.md", "tests/scenario/test_own_catalogue.py"
EMBED, EMBEDDING = "docs/how-to/embed-the-page.md", "tests/browser/test_embedding.py"
ALERTS = "docs/how-to/be-told-of-failing-webhooks.md"
RUN_BY_TESTS = {
    # page, heading, language: the file of the test, and a word that is in it
    (README, "Try it", "sh"): ("tests/unit/cli/demo/test_demo.py", '"demo"'),
    (README, "Receiving", "json"): (DOCS, "every_json_sample_parses"),
    (README, "Receiving", "js"): (DOCS, "the_nodejs_receiver_of_the_readme"),
    (README, "Receiving", "python"): (DOCS, "the_python_receiver_of_the_readme"),
    ("docs/reference/webhooks.md", "What a webhook can have of its own", "json"): (
        "tests/unit/api/test_webhook_routes.py",
        "docs/reference/webhooks.md",
    ),
    ("docs/how-to/authenticate-to-your-receiver.md", "OAuth 2.0", "json"): (
        "tests/unit/api/test_webhook_credentials.py",
        "docs/how-to/authenticate-to-your-receiver.md",
    ),
    **{
        ("docs/how-to/authenticate-to-your-receiver.md", "Client certificate", language): (
            "tests/unit/egress/test_client_certificate_of_docs.py",
            "authenticate-to-your-receiver.md",
        )
        for language in ("sh", "nginx")
    },
    ("docs/how-to/verify-ed25519-signatures.md", "Verify Ed25519 signatures", "python"): (
        "tests/docs/test_ed25519_examples.py",
        "the_python_example",
    ),
    ("docs/how-to/verify-ed25519-signatures.md", "Verify Ed25519 signatures", "js"): (
        "tests/docs/test_ed25519_examples.py",
        "the_javascript_example",
    ),
    ("docs/delivery-states.md", "The states of a delivery", "mermaid"): (
        "tests/unit/domain/test_delivery_states.py",
        "delivery-states.md",
    ),
    ("docs/how-to/your-own-name-and-look.md", "The look", "sh"): (
        "tests/browser/test_own_look.py",
        '"## The look"',
    ),
    (ALERTS, "The operator", "json"): ("tests/unit/api/test_alert_routes.py", "The operator"),
    (EVENTS, "Your own events", "sh"): (OWN_EVENTS, '"## The file"'),
    (EVENTS, "The file", "yaml"): (OWN_EVENTS, '"## The file"'),
    **{
        (CLI, f"catalog {word}", "sh"): (CATALOG, f"catalog {word}")
        for word in ("check", "import", "export")
    },
    (EMBED, "1. Allow it", "sh"): (EMBEDDING, r'WINNERR_WEBHOOKS_(\w+)=(\S+)", GUIDE'),
    (EMBED, "3. Renew the session", "sh"): (EMBEDDING, r'WINNERR_WEBHOOKS_(\w+)=(\S+)", GUIDE'),
    (EMBED, "2. Make a link for each visit", "sh"): (EMBEDDING, 'block("sh", "-d ")'),
    (EMBED, "2. Make a link for each visit", "html"): (EMBEDDING, 'block("html")'),
    (EMBED, "3. Renew the session", "js"): (EMBEDDING, 'block("js")'),
    ("docs/how-to/move-from-another-sender.md", "One program for both senders", "python"): (
        "sdk/python/tests/test_readme.py",
        "move-from-another-sender.md",
    ),
    ("docs/outbox.md", "Emit inside your own transaction", "sql"): (RECIPES, "BEGIN"),
    ("docs/outbox.md", "Rights", "sql"): (RECIPES, "GRANT"),
    ("docs/outbox.md", "psycopg", "python"): (RECIPES, "import psycopg"),
    ("docs/outbox.md", "SQLAlchemy", "python"): (RECIPES, "sqlalchemy"),
    ("docs/outbox.md", "Django", "python"): (RECIPES, "django"),
    ("docs/reference/receiving.md", "The request", "json"): (DOCS, "every_json_sample_parses"),
    ("docs/reference/receiving.md", "Signatures", "python"): (DOCS, "the_standard_webhooks_sample"),
    **{
        (f"sdk/{folder}/README.md", heading, language): (READMES, word)
        for folder, heading, language, word in (
            ("go", "Winnerr Webhooks for Go", "sh", 'block("go"'),
            ("go", "Receive in five minutes", "go", 'block("go"'),
            ("go", "Settings", "go", 'block("go"'),
            ("java", "Winnerr Webhooks for Java", "sh", 'blocks("java"'),
            ("java", "Winnerr Webhooks for Java", "xml", 'blocks("java"'),
            ("java", "Spring", "java", '"Spring"'),
            ("java", "Servlet", "java", '"Servlet"'),
            ("java", "What an event holds", "java", '"What an event holds"'),
            ("java", "Settings", "java", 'block("java"'),
            ("php", "Winnerr Webhooks for PHP", "sh", 'block("php"'),
            ("php", "Receive in five minutes", "php", 'block("php"'),
            ("php", "Laravel", "php", '"Laravel"'),
            ("php", "Symfony", "php", '"Symfony"'),
            ("php", "Settings", "php", 'block("php"'),
            ("ruby", "Winnerr Webhooks for Ruby", "ruby", 'block("ruby"'),
            ("ruby", "Rails", "ruby", '"Rails"'),
            ("ruby", "Rack and Sinatra", "ruby", '"Rack and Sinatra"'),
            ("ruby", "Settings", "ruby", 'block("ruby"'),
            ("ruby", "Test your receiver", "ruby", '"Test your receiver"'),
        )
    },
    **{
        (SDK_PYTHON, heading, "python"): (SDK_PYTHON_TEST, "a_block_of_code_runs")
        for heading in (
            "Receive in five minutes",
            "FastAPI and Starlette",
            "Flask",
            "Django",
            "Rotate the secret",
            "Test your receiver",
            "Emit",
            "Emit in your own transaction",
            "Types of the API",
        )
    },
    **{
        (SDK_JS, heading, "js"): (SDK_JS_TEST, "each block has its test")
        for heading in (
            "Receive in five minutes",
            "Express, and plain Node.js",
            "Fastify",
            "Next.js",
            "Hono",
            "Cloudflare Workers, Deno, Bun",
            "Anywhere else",
            "Rotate the secret",
            "Test your receiver",
            "Emit",
        )
    },
}
NOT_RUN = {
    # page, heading, language: why
    ("CONTRIBUTING.md", "Run it", "sh"): "They are the test suites themselves.",
    ("docs/performance/README.md", "Repeat it", "sh"): (
        "They take from minutes to hours. tests/unit/bench runs each bench for a moment."
    ),
    ("docs/how-to/your-own-name-and-look.md", "The language", "sh"): (
        "It sets one variable. tests/scenario/test_second_product.py starts a product with it."
    ),
    **{
        (ALERTS, heading, "sh"): (
            "They name a receiver and an SMTP server of the reader's. "
            "tests/scenario/test_alerts.py has the same settings and makes the same calls."
        )
        for heading in ("The operator", "Your customers, by mail")
    },
    ("docs/adr/0042-the-page-brings-its-typefaces.md", "Choice", "sh"): (
        "It makes the files of the typefaces from packages that nothing else needs."
    ),
    ("docs/performance/peers.md", "Repeat it", "sh"): (
        "They need the other senders. tests/unit/bench/test_peers.py drives stand-ins of them."
    ),
    (SDK_PYTHON, "winnerr-webhooks-sdk for Python", "sh"): (
        "`make smoke` builds and installs the same package as its tutorial says."
    ),
    (SDK_JS, "@winnerr/webhooks-sdk", "sh"): (
        "`make smoke` builds and installs the same package as its tutorial says."
    ),
    (SDK_PYTHON, "Emit in your own transaction", "sh"): (
        "It names a server and a database of the reader's. sdk/python/tests/test_outbox_command.py "
        "runs the command."
    ),
    (SDK_PYTHON, "Develop", "sh"): "They are the test suites themselves.",
    (SDK_JS, "Develop", "sh"): "They are the test suites themselves.",
    (HOW_TO, "Run it in a container", "sh"): (
        "They need a Docker daemon, and base images from a registry of images."
    ),
    (HOW_TO, "Create, change and revoke API keys", "systemd-run"): (
        "It needs a machine that systemd has started, and the service installed on it."
    ),
}
Place = tuple[str, str, str]


def played() -> Iterator[Block]:
    """Yield the blocks that `make smoke` runs."""
    for tutorial in TUTORIALS.values():
        for one in tutorial.sections:
            yield from section(*one)
    for package in PACKAGES.values():
        yield from section(*package.section)
        if package.emit:
            yield from section(EMIT, package.emit)
    for reference in REFERENCES.values():
        for one in reference.sections:
            yield from section(*one)


def place(block: Block) -> Place:
    """Return where a block is; a command that is an exception in its section has its name there."""
    command = block.text.split()[0]
    named = (block.page, block.headings[-1], command)
    return named if named in NOT_RUN else (block.page, block.headings[-1], block.language)


BLOCKS = [block for page in pages() for block in code_blocks(page) if block.is_code]
PLAYED = set(played())


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_each_block_of_code_is_run_or_says_why_not(page):
    lacking = [
        f"{block.headings[-1]}: {block.text.splitlines()[0]}"
        for block in BLOCKS
        if block.page == page
        and block not in PLAYED
        and place(block) not in RUN_BY_TESTS
        and place(block) not in NOT_RUN
    ]
    assert lacking == [], "run it in sdk/smoke_rows.py or in a test, or add it to NOT_RUN"


def test_the_lists_name_only_blocks_that_exist_and_that_make_smoke_does_not_run():
    places = {place(block) for block in BLOCKS}
    assert [one for one in [*RUN_BY_TESTS, *NOT_RUN] if one not in places] == []
    twice = {place(block) for block in PLAYED} & {*RUN_BY_TESTS}
    assert twice == set()


@pytest.mark.parametrize(("file", "word"), sorted(set(RUN_BY_TESTS.values())))
def test_the_tests_that_are_named_exist(file, word):
    assert word in (ROOT / file).read_text("utf-8")


def test_what_the_smoke_run_plays_exists():
    """A heading that was renamed would make its section empty."""
    rows = [one for row in [*TUTORIALS.values(), *REFERENCES.values()] for one in row.sections]
    assert [one for one in rows if not section(*one)] == []
    assert [one for one in PACKAGES.values() if not section(*one.section)] == []


def test_only_output_and_drawings_are_without_a_language():
    """A command that is fenced as text would escape this check."""
    begins = ("winnerr-webhooks ", "curl ", "make ", "export ", "npm ", "pip ", "python")
    hidden = [
        block.text
        for page in pages()
        for block in code_blocks(page)
        if not block.is_code and block.text.startswith(begins)
    ]
    assert hidden == []

"""What `make smoke` plays: the rows of its table, and the sections of pages that belong to each."""

from typing import Final, NamedTuple

README: Final = "README.md"
TUTORIAL: Final = "docs/tutorial.md"
RECEIVE: Final = "docs/tutorials/receive.md"
EMIT: Final = "docs/tutorials/emit.md"
NO_CODE: Final = "docs/how-to/receive-without-code.md"
HOW_TO: Final = "docs/how-to.md"
LAPTOP: Final = "docs/how-to/receive-on-your-laptop.md"
COMMANDS: Final = "docs/reference/cli.md"
OUTBOX: Final = "docs/outbox.md"
POSTGRESQL: Final = "docs/postgresql.md"


class Section(NamedTuple):
    """The blocks below a heading of a page."""

    page: str
    heading: str


class Tutorial(NamedTuple):
    """A tutorial, played from its server to its last step."""

    tools: tuple[str, ...]
    sections: tuple[Section, ...]


class Package(NamedTuple):
    """A section that installs a package or a tool and uses it, with a server that is there."""

    section: Section
    tools: tuple[str, ...]
    background: tuple[int, ...]
    """The places of the section's blocks that start something that goes on running."""
    emit: str | None = None
    """The heading of the program that emits by the same package."""
    prints: bool = True
    """Whether the program prints `<event type> <event id>` for what it receives."""


class Reference(NamedTuple):
    """Sections of commands to look up, played with a server that has what they name."""

    tools: tuple[str, ...]
    sections: tuple[Section, ...]


TUTORIALS: Final = {
    "readme": Tutorial(("python3", "curl"), (Section(README, "The first event"),)),
    "tutorial": Tutorial(
        ("python3", "curl"),
        (
            Section(TUTORIAL, "1. A server"),
            Section(TUTORIAL, "2. An API key"),
            Section(TUTORIAL, "3. A receiver"),
            Section(TUTORIAL, "4. A webhook"),
            Section(TUTORIAL, "5. An event"),
            Section(TUTORIAL, "6. A failure, and a replay"),
        ),
    ),
    "receive": Tutorial(
        ("python3", "curl"),
        (
            Section(RECEIVE, "1. A webhook"),
            Section(RECEIVE, "Python"),
            Section(RECEIVE, "2. Events"),
        ),
    ),
    "emit": Tutorial(
        ("python3",), (Section(EMIT, "1. A server and a key"), Section(EMIT, "Python"))
    ),
}
PACKAGES: Final = {
    "python": Package(Section(RECEIVE, "Python"), ("python3",), (2,), "Python"),
    "js": Package(Section(RECEIVE, "Node.js"), ("node", "npm"), (2,), "Node.js"),
    "go": Package(Section(RECEIVE, "Go"), ("go",), (2,)),
    "java": Package(Section(RECEIVE, "Java"), ("javac", "mvn"), (2,)),
    "php": Package(Section(RECEIVE, "PHP"), ("php", "composer"), (2,)),
    "ruby": Package(Section(RECEIVE, "Ruby"), ("gem", "rackup"), (2,)),
    "node-red": Package(Section(NO_CODE, "Node-RED"), ("npm",), (2,), prints=False),
    "webhook": Package(Section(NO_CODE, "webhook"), ("webhook",), (1,), prints=False),
    "nginx": Package(Section(NO_CODE, "nginx with njs"), ("nginx",), (2,), prints=False),
    "plain": Package(Section(EMIT, "Plain"), ("python3",), (2,)),
    "django": Package(Section(EMIT, "Django"), ("python3", "curl"), (6, 7)),
    "fastapi": Package(Section(EMIT, "FastAPI"), ("python3", "curl"), (2, 3)),
}
REFERENCES: Final = {
    "commands": Reference(
        ("python3", "curl"),
        (
            Section(README, "The settings page"),
            Section(HOW_TO, "Receive on localhost"),
            Section(HOW_TO, "Rotate a secret"),
            Section(HOW_TO, "Replay"),
            Section(HOW_TO, "Recover what a webhook missed"),
            Section(HOW_TO, "Rehearse a webhook with another URL"),
            Section(HOW_TO, "Create, change and revoke API keys"),
            Section(HOW_TO, "See who changed what"),
            Section(HOW_TO, "Send many events from a shell"),
            Section(HOW_TO, "Back up and restore"),
            Section(HOW_TO, "Survive a full disk"),
            Section(HOW_TO, "Open the settings page to your customers"),
            Section("docs/how-to/check-a-receiver.md", "On your machine"),
            Section("docs/how-to/why-a-signature-does-not-match.md", "On your machine"),
            Section(LAPTOP, "Start"),
            Section(COMMANDS, "serve"),
            Section(COMMANDS, "config"),
            Section(COMMANDS, "backup"),
            Section(COMMANDS, "demo"),
            Section(COMMANDS, "migrate"),
            Section(COMMANDS, "keys create"),
            Section(COMMANDS, "keys list"),
            Section(COMMANDS, "keys revoke"),
            Section(COMMANDS, "login-link"),
            Section(COMMANDS, "emit"),
            Section(COMMANDS, "listen"),
            Section(COMMANDS, "verify"),
            Section(COMMANDS, "check-receiver"),
            Section(COMMANDS, "outbox-relay"),
        ),
    ),
    "postgresql": Reference(
        ("psql",),
        (
            Section(POSTGRESQL, "The database"),
            Section(POSTGRESQL, "Move from SQLite"),
            Section(COMMANDS, "migrate"),
            Section(POSTGRESQL, "PostgreSQL and many nodes"),
            Section(OUTBOX, "What was refused"),
            Section(COMMANDS, "outbox list"),
            Section(COMMANDS, "outbox retry"),
        ),
    ),
    "proxy": Reference(("nginx", "openssl", "curl"), (Section(HOW_TO, "nginx"),)),
    "caddy": Reference(("caddy", "curl"), (Section(HOW_TO, "Caddy"),)),
    "names": Reference(
        ("curl",),
        (
            Section("docs/how-to/your-own-name-and-look.md", "The name"),
            Section("docs/how-to/move-from-another-sender.md", "Keep your old header"),
        ),
    ),
}

"""Settings: read from the environment once, checked as a whole, passed on as one value."""

import base64
import binascii
import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from winnerr_webhooks import database_url
from winnerr_webhooks import setting_parsers as parsers
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.setting_parsers import Network

PREFIX = "WINNERR_WEBHOOKS_"


class EncryptionKey(msgspec.Struct, frozen=True):
    """One AES-256 key; `id` is stored beside what it encrypts."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return f"EncryptionKey({self.id})"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, parsed (CONTRACT, Command line)."""

    database_url: str = "sqlite:///winnerr-webhooks.db"
    host: str = "127.0.0.1"
    port: int = 8400
    public_url: str = "http://127.0.0.1:8400"
    sign_in_url: str = ""
    frame_ancestors: tuple[str, ...] = ()
    retry_schedule: tuple[float, ...] = (60.0, 600.0, 6000.0)
    delivery_timeout: float = 10.0
    drain_seconds: float = 0.0
    success_statuses: str = "2xx"
    webhook_concurrency: int = 16
    disable_after_days: float = 5.0
    max_webhooks: int = 500
    allow_http: bool = False
    allow_networks: tuple[Network, ...] = ()
    deny_networks: tuple[Network, ...] = (ipaddress.IPv4Network("168.63.129.16/32"),)
    nat64_prefixes: tuple[ipaddress.IPv6Network, ...] = ()
    encryption_keys: tuple[EncryptionKey, ...] = ()
    log_retention_days: int = 30
    log_level: str = "info"
    log_format: str = ""
    role: str = "all"
    processes: int = 1

    def __repr__(self) -> str:
        """Without the database URL, which may hold a password: a repr ends up in logs."""
        shown = (f for f in self.__struct_fields__ if f != "database_url")
        return f"Config({', '.join(f'{f}={getattr(self, f)!r}' for f in shown)})"

    @property
    def uses_postgres(self) -> bool:
        """Whether everything is kept in PostgreSQL, and other nodes may be there."""
        return database_url.is_postgres(self.database_url)

    @property
    def database_name(self) -> str:
        """The database as messages name it: without user, password and options."""
        return database_url.shown(self.database_url)

    @property
    def accepts(self) -> bool:
        """Whether this node has the API and the settings page."""
        return self.role != "deliver"

    @property
    def delivers(self) -> bool:
        """Whether this node makes attempts."""
        return self.role != "api"

    @property
    def lease_seconds(self) -> float:
        """How long a node may keep the right to a delivery's next attempt (DESIGN, Storage)."""
        return max(60.0, 3 * self.delivery_timeout)


class Setting(msgspec.Struct, frozen=True):
    """One variable: its name without the prefix, its parser, and what it is for in a line."""

    name: str
    parse: Callable[[str], Any]
    """Raises ValueError with what was expected; never with the value."""
    meaning: str
    confidential: bool = False
    """Its value is never repeated, not even in an error."""

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name

    @property
    def field(self) -> str:
        """Its field of `Config`, and its key among `overrides`."""
        return self.name.lower()

    @property
    def option(self) -> str:
        """Its option of `serve`."""
        return "--" + self.field.replace("_", "-")


def environment() -> Mapping[str, str]:
    """Give the process's environment, to pass to `load`, to `warnings` or to a subprocess."""
    return os.environ


def load(environ: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> Config:
    """Read the settings of this start; `ConfigurationError` names the first one that is wrong.

    `overrides` are command line options by field name (`{"port": "8401"}`); they win.
    """
    overrides = overrides or {}
    parsed: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.field in overrides:
            text, source = overrides[setting.field], f"{setting.option} ({setting.variable})"
        elif setting.variable in environ:
            text, source = environ[setting.variable], setting.variable
        else:
            continue
        try:
            parsed[setting.field] = setting.parse(text.strip())
        except ValueError as error:
            raise ConfigurationError(f"{source}{_shown(setting, text)}: {error}.") from None
    config = Config(**parsed)
    if "public_url" in parsed:
        return config
    host = f"[{config.host}]" if ":" in config.host else config.host
    return msgspec.structs.replace(config, public_url=f"http://{host}:{config.port}")


def warnings(environ: Mapping[str, str]) -> list[str]:
    """Give a line for each variable that looks like a setting and is none: a slip of the pen."""
    known = ["API_KEY", *(setting.name for setting in SETTINGS)]
    lines = []
    for name in sorted(v.removeprefix(PREFIX) for v in environ if v.startswith(PREFIX)):
        if name in known or _KUBERNETES.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {PREFIX}{near[0]}?" if near else "it is no setting, without effect"
        lines.append(f"{PREFIX}{name} is not known: {advice}")
    return lines


def check_service(config: Config) -> None:
    """Refuse what `serve` cannot do with these settings: `ConfigurationError`.

    The other commands share the environment, and not all of what `serve` needs.
    """
    if config.uses_postgres:
        if not config.encryption_keys:
            raise ConfigurationError(
                f"{PREFIX}ENCRYPTION_KEYS: PostgreSQL needs it, the same on every node, to encrypt "
                'signing secrets. Make one with: echo "k1:$(openssl rand -base64 32)"'
            )
        return
    advice = f"give {PREFIX}DATABASE_URL=postgresql://…"
    if config.role != "all":
        raise ConfigurationError(
            f"{PREFIX}ROLE={config.role}: an SQLite file has one node, which does everything. "
            f"To split the work use PostgreSQL: {advice}"
        )
    if config.processes > 1:
        raise ConfigurationError(
            f"{PREFIX}PROCESSES={config.processes}: only one process works on an SQLite file. "
            f"For several use PostgreSQL: {advice}"
        )


def database_path(config: Config) -> Path:
    """Give the SQLite file of a configuration; `ConfigurationError` when it names PostgreSQL."""
    path = database_url.sqlite_path(config.database_url)
    if path is None:
        raise ConfigurationError(
            f"{PREFIX}DATABASE_URL: {config.database_name} is no file; expected sqlite:///…"
        )
    return path


def parse_encryption_keys(text: str) -> tuple[EncryptionKey, ...]:
    """Read keys written as `id:base64key[,id:base64key]`, the encrypting one first.

    `ConfigurationError` says which entry is wrong and how, and never repeats it.
    """
    keys: dict[str, EncryptionKey] = {}
    for number, entry in enumerate(text.split(","), 1):
        key_id, _, encoded = entry.strip().partition(":")
        if not _KEY_ID.fullmatch(key_id):
            raise ConfigurationError(
                f"encryption key {number} needs an id of 1 to 32 of A-Z a-z 0-9 _ - before a colon"
            )
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ConfigurationError(f"encryption key {number} is not base64") from None
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(
                f"encryption key {number} has {len(key)} bytes, expected 32 "
                "(make one with: openssl rand -base64 32)"
            )
        if key_id in keys:
            raise ConfigurationError(f"encryption key {number} repeats the id of another one")
        keys[key_id] = EncryptionKey(key_id, key)
    return tuple(keys.values())


_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SHOWN = 80

# What Kubernetes injects for a Service named winnerr-webhooks; only its _PORT is mistaken for ours.
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT\w*)|PORT_[0-9]+_(TCP|UDP|SCTP)\w*")


def _shown(setting: Setting, text: str) -> str:
    """Show the value in an error, on one line, unless it may hold a secret or a password."""
    if setting.confidential and not text.startswith("sqlite:"):
        return ""
    return f"={text if len(text) <= _SHOWN else text[:_SHOWN] + '…'!r}"


def _encryption_keys(text: str) -> tuple[EncryptionKey, ...]:
    try:
        return parse_encryption_keys(text)
    except ConfigurationError as error:
        raise ValueError(f"{error}; expected id:base64key[,id:base64key]") from None


SETTINGS = (
    Setting(
        "DATABASE_URL",
        database_url.parse,
        "Where everything is kept: sqlite:///relative, sqlite:////absolute or postgresql://….",
        confidential=True,
    ),
    Setting("HOST", parsers.host, "Address to listen on."),
    Setting("PORT", parsers.port, "Port to listen on; 0 takes a free one."),
    Setting("PUBLIC_URL", parsers.web_url, "How the service is reached from outside, for links."),
    Setting("SIGN_IN_URL", parsers.sign_in_url, "Where a signed-out visitor of the page is sent."),
    Setting(
        "FRAME_ANCESTORS", parsers.origins, "Origins that may embed the page, comma-separated."
    ),
    Setting(
        "RETRY_SCHEDULE", parsers.retry_schedule, "Seconds before retry 1, 2, 3, …; empty: none."
    ),
    Setting(
        "DELIVERY_TIMEOUT", parsers.number(0.1, 300, "seconds"), "Seconds for one whole attempt."
    ),
    Setting(
        "DRAIN_SECONDS",
        parsers.number(0, 300, "seconds"),
        "Seconds from SIGTERM in which /readyz says 503 and all else goes on.",
    ),
    Setting(
        "SUCCESS_STATUSES",
        parsers.one_of("2xx", "200"),
        "Statuses that count as success: 2xx or 200.",
    ),
    Setting(
        "WEBHOOK_CONCURRENCY",
        parsers.whole(1, 1_000),
        "Most attempts at once to one webhook, a node.",
    ),
    Setting(
        "DISABLE_AFTER_DAYS",
        parsers.number(0, 3_650, "days"),
        "Days of nothing but failures that disable a webhook; 0: never.",
    ),
    Setting("MAX_WEBHOOKS", parsers.whole(1, 1_000_000), "Most webhooks an organization can have."),
    Setting("ALLOW_HTTP", parsers.boolean, "Accept http:// destinations (development only)."),
    Setting("ALLOW_NETWORKS", parsers.networks, "CIDRs that may be reached although not public."),
    Setting("DENY_NETWORKS", parsers.networks, "CIDRs that may not be reached although public."),
    Setting("NAT64_PREFIXES", parsers.nat64_prefixes, "NAT64 prefixes of this network."),
    Setting(
        "ENCRYPTION_KEYS",
        _encryption_keys,
        "id:base64key[,id:base64key], the first encrypts. Others see options: prefer the variable.",
        confidential=True,
    ),
    Setting("LOG_RETENTION_DAYS", parsers.whole(1, 3_650), "Days an attempt stays in the log."),
    Setting(
        "LOG_LEVEL",
        parsers.one_of("debug", "info", "warning", "error"),
        "Which of the service's own log lines are written: debug, info, warning or error.",
    ),
    Setting(
        "LOG_FORMAT",
        parsers.one_of("json", "console", ""),
        "json or console; empty: console on a terminal, else json.",
    ),
    Setting(
        "ROLE",
        parsers.one_of("all", "api", "deliver"),
        "What this node does: all, api or deliver (PostgreSQL only).",
    ),
    Setting(
        "PROCESSES",
        parsers.whole(1, 64),
        "Processes that share the work and the port (PostgreSQL only).",
    ),
)

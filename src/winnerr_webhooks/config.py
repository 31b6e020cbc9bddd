"""Settings: read from the environment once, checked as a whole, passed on as one value."""

import base64
import binascii
import difflib
import ipaddress
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from winnerr_webhooks.domain.errors import ConfigurationError

PREFIX = "WINNERR_WEBHOOKS_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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

    def __repr__(self) -> str:
        """Without the database URL, which may hold a password: a repr ends up in logs."""
        shown = (f for f in self.__struct_fields__ if f != "database_url")
        return f"Config({', '.join(f'{f}={getattr(self, f)!r}' for f in shown)})"

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
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.field in overrides:
            text, source = overrides[setting.field], f"{setting.option} ({setting.variable})"
        elif setting.variable in environ:
            text, source = environ[setting.variable], setting.variable
        else:
            continue
        try:
            values[setting.field] = setting.parse(text.strip())
        except ValueError as error:
            raise ConfigurationError(f"{source}{_shown(setting, text)}: {error}.") from None
    config = Config(**values)
    if "public_url" in values:
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


def database_path(config: Config) -> Path:
    """Give the SQLite file of a configuration; `ConfigurationError` when it names PostgreSQL."""
    if not config.database_url.startswith(_SQLITE):
        raise ConfigurationError(
            f"{PREFIX}DATABASE_URL: PostgreSQL is not there yet in this version; "
            "give an SQLite file, such as sqlite:///winnerr-webhooks.db."
        )
    return Path(config.database_url.removeprefix(_SQLITE))


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


_SQLITE = "sqlite:///"
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_DAY = 86_400
_LONGEST_RETRY_DAYS = 30
_MOST_RETRIES = 30
_SHOWN = 80

# What Kubernetes injects for a Service named winnerr-webhooks; only its _PORT is mistaken for ours.
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT\w*)|PORT_[0-9]+_(TCP|UDP|SCTP)\w*")


def _shown(setting: Setting, text: str) -> str:
    """Show the value in an error, on one line, unless it may hold a secret or a password."""
    if setting.confidential and not text.startswith("sqlite:"):
        return ""
    return f"={text if len(text) <= _SHOWN else text[:_SHOWN] + '…'!r}"


def _number(lowest: float, highest: float, unit: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not lowest <= value <= highest:
            raise ValueError(f"expected a number of {unit} from {lowest:g} to {highest:g}")
        return value

    return parse


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text) if _DIGITS.fullmatch(text) else -1
        if not lowest <= value <= highest:
            raise ValueError(f"expected a whole number from {lowest} to {highest}")
        return value

    return parse


def _port(text: str) -> int:
    if text.startswith(("tcp://", "udp://")):
        raise ValueError(
            "Kubernetes sets this by itself for a Service named winnerr-webhooks; rename the "
            "Service, set enableServiceLinks: false, or set the variable in the pod's own env"
        )
    return _whole(0, 65_535)(text)


def _host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if _HOST.fullmatch(text):
            return text
    raise ValueError("expected an address or a host name, without scheme and port")


def _database_url(text: str) -> str:
    if text.startswith(_SQLITE):
        path = text.removeprefix(_SQLITE)
        if path.strip("/") in ("", ":memory:") or path.endswith("/") or "?" in path:
            raise ValueError("expected a file after sqlite:///, without options")
        return text
    if text.startswith("postgresql://") and urlsplit(text).hostname:
        return text
    raise ValueError(
        "expected sqlite:///relative/file, sqlite:////absolute/file or postgresql://user@host/name"
    )


def _web_url(text: str) -> str:
    parts = urlsplit(text)  # its own ValueError (a broken IPv6 literal) is as good as ours
    try:
        odd = parts.query or parts.fragment or parts.username is not None or parts.port == 0
    except ValueError:
        odd = True
    if odd or parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("expected a URL such as https://webhooks.example.com")
    return text.rstrip("/")


def _sign_in_url(text: str) -> str:
    if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise ValueError("expected a URL such as https://crm.example.com/login, or nothing")
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(re.split(r"[\s,]+", text)) if text else ()
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("expected origins such as https://crm.example.com, comma-separated")
    return origins


def _retry_schedule(text: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")] if text else []
    waits = tuple(float(part) if _NUMBER.fullmatch(part) else 0.0 for part in parts)
    longest = _LONGEST_RETRY_DAYS * _DAY
    if len(waits) > _MOST_RETRIES or not all(0 < wait <= longest for wait in waits):
        raise ValueError(
            f"expected up to {_MOST_RETRIES} comma-separated numbers of seconds, each above 0 and "
            f"at most {longest} ({_LONGEST_RETRY_DAYS} days); empty for no retries"
        )
    return waits


def _success_statuses(text: str) -> str:
    if text not in ("2xx", "200"):
        raise ValueError("expected 2xx or 200")
    return text


def _boolean(text: str) -> bool:
    value = {"true": True, "1": True, "yes": True, "on": True}.get(text.lower())
    if value is None and text.lower() not in ("false", "0", "no", "off"):
        raise ValueError("expected true or false")
    return bool(value)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(_network(part.strip()) for part in text.split(",")) if text else ()


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"expected comma-separated networks such as 10.0.0.0/8 or fd00::/8; {text!r} is none"
        ) from None
    raise ValueError(f"{text!r} is an address inside a network; did you mean {meant}?")


def _nat64_prefixes(text: str) -> tuple[ipaddress.IPv6Network, ...]:
    prefixes = []
    for network in _networks(text):
        # RFC 6052, section 2.2: only these lengths say where the IPv4 address stands.
        if network.version != 6 or network.prefixlen not in (32, 40, 48, 56, 64, 96):  # noqa: PLR2004  the RFC's numbers
            raise ValueError(
                "expected comma-separated IPv6 prefixes of length 32, 40, 48, 56, 64 or 96 "
                f"(RFC 6052); {network} is none"
            )
        prefixes.append(network)
    return tuple(prefixes)


def _encryption_keys(text: str) -> tuple[EncryptionKey, ...]:
    try:
        return parse_encryption_keys(text)
    except ConfigurationError as error:
        raise ValueError(f"{error}; expected id:base64key[,id:base64key]") from None


SETTINGS = (
    Setting(
        "DATABASE_URL",
        _database_url,
        "Where everything is kept: sqlite:///relative, sqlite:////absolute or postgresql://….",
        confidential=True,
    ),
    Setting("HOST", _host, "Address to listen on."),
    Setting("PORT", _port, "Port to listen on; 0 takes a free one."),
    Setting("PUBLIC_URL", _web_url, "How the service is reached from outside, for links."),
    Setting("SIGN_IN_URL", _sign_in_url, "Where a signed-out visitor of the page is sent."),
    Setting("FRAME_ANCESTORS", _origins, "Origins that may embed the page, comma-separated."),
    Setting("RETRY_SCHEDULE", _retry_schedule, "Seconds before retry 1, 2, 3, …; empty: none."),
    Setting("DELIVERY_TIMEOUT", _number(0.1, 300, "seconds"), "Seconds for one whole attempt."),
    Setting("SUCCESS_STATUSES", _success_statuses, "Statuses that count as success: 2xx or 200."),
    Setting(
        "WEBHOOK_CONCURRENCY", _whole(1, 1_000), "Most attempts at once to one webhook, a node."
    ),
    Setting(
        "DISABLE_AFTER_DAYS",
        _number(0, 3_650, "days"),
        "Days of nothing but failures that disable a webhook; 0: never.",
    ),
    Setting("MAX_WEBHOOKS", _whole(1, 1_000_000), "Most webhooks an organization can have."),
    Setting("ALLOW_HTTP", _boolean, "Accept http:// destinations (development only)."),
    Setting("ALLOW_NETWORKS", _networks, "CIDRs that may be reached although not public."),
    Setting("DENY_NETWORKS", _networks, "CIDRs that may not be reached although public."),
    Setting("NAT64_PREFIXES", _nat64_prefixes, "NAT64 prefixes of this network."),
    Setting(
        "ENCRYPTION_KEYS",
        _encryption_keys,
        "id:base64key[,id:base64key], the first encrypts. Others see options: prefer the variable.",
        confidential=True,
    ),
    Setting("LOG_RETENTION_DAYS", _whole(1, 3_650), "Days an attempt stays in the log."),
)

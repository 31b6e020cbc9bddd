"""The settings: reads them from the environment and from options, and checks them."""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from winnerr_webhooks import database_url
from winnerr_webhooks.domain.accent import accents
from winnerr_webhooks.domain.branding import Branding, SignatureFormat, make_branding
from winnerr_webhooks.domain.errors import ConfigurationError, Invalid
from winnerr_webhooks.domain.mail_server import Mailbox, MailServer
from winnerr_webhooks.domain.proxy import Proxy
from winnerr_webhooks.encryption_keys import EncryptionKey
from winnerr_webhooks.setting_parsers import Network
from winnerr_webhooks.settings_table import PREFIX, SETTINGS, Setting
from winnerr_webhooks.theme_files import read_logo, read_stylesheet


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, parsed (docs/reference/settings.md)."""

    database_url: str = "sqlite:///winnerr-webhooks.db"
    host: str = "127.0.0.1"
    port: int = 8400
    public_url: str = "http://127.0.0.1:8400"
    sign_in_url: str = ""
    frame_ancestors: tuple[str, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
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
    egress_proxy: Proxy | None = None
    egress_addresses: tuple[Network, ...] = ()
    nat64_prefixes: tuple[ipaddress.IPv6Network, ...] = ()
    encryption_keys: tuple[EncryptionKey, ...] = ()
    log_retention_days: int = 30
    event_catalog: str = ""
    validate_data: str = "off"
    brand: str = "Winnerr"
    header_prefix: str = "X-Winnerr-"
    signature_header: str = "X-Winnerr-Signature"
    signature_format: SignatureFormat = SignatureFormat("sha256=", "hex")
    theme_accent: tuple[str, ...] = ()
    theme_font: str = ""
    theme_logo: str = ""
    theme_color_scheme: str = "auto"
    theme_header: str = "show"
    theme_stylesheet: str = ""
    default_language: str = "en"
    operational_url: str = ""
    operational_secret: str = ""
    smtp_url: MailServer | None = None
    mail_from: Mailbox | None = None
    log_level: str = "info"
    log_format: str = ""
    role: str = "all"
    processes: int = 1

    def __repr__(self) -> str:
        """Leave out what may contain a password: a repr may end up in a log."""
        hidden = ("database_url", "operational_url", "operational_secret")
        shown = (f for f in self.__struct_fields__ if f not in hidden)
        return f"Config({', '.join(f'{f}={getattr(self, f)!r}' for f in shown)})"

    @property
    def uses_postgres(self) -> bool:
        """Whether the database is PostgreSQL, so that there may be other nodes."""
        return database_url.is_postgres(self.database_url)

    @property
    def database_name(self) -> str:
        """The database's name for messages, without user, password and options."""
        return database_url.display_name(self.database_url)

    @property
    def branding(self) -> Branding:
        """The product's name, its headers and its signature."""
        return Branding(
            self.brand, self.header_prefix, self.signature_header, self.signature_format
        )

    @property
    def accepts(self) -> bool:
        """Whether this node has the API and the settings page."""
        return self.role != "deliver"

    @property
    def delivers(self) -> bool:
        """Whether this node makes attempts."""
        return self.role != "api"

    @property
    def raises_alerts(self) -> bool:
        """Whether somebody is told of failing webhooks: the operator, or organizations by mail."""
        return bool(self.operational_url) or self.smtp_url is not None

    @property
    def lease_seconds(self) -> float:
        """How long a node holds a lease, its right to attempt a delivery."""
        return max(60.0, 3 * self.delivery_timeout)


def environment() -> Mapping[str, str]:
    """Return the environment of this process, for `load`, `warnings` or a subprocess."""
    return os.environ


def load(environ: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> Config:
    """Parse the settings. Raises `ConfigurationError` that names the first wrong one.

    `overrides` are command line options by field name (`{"port": "8401"}`); they take precedence.
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
            raise ConfigurationError(f"{source}{_quoted(setting, text)}: {error}.") from None
    config = Config(**parsed | _header_names(parsed))
    if config.theme_accent:
        _check("THEME_ACCENT", accents, config.theme_accent, config.theme_color_scheme)
    if "public_url" in parsed:
        return config
    host = f"[{config.host}]" if ":" in config.host else config.host
    return msgspec.structs.replace(config, public_url=f"http://{host}:{config.port}")


def _header_names(parsed: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the product's headers; those that are not set follow from BRAND."""
    default = Config()
    try:
        branding = make_branding(
            parsed.get("brand", default.brand),
            parsed.get("header_prefix", ""),
            parsed.get("signature_header", ""),
            parsed.get("signature_format", default.signature_format),
        )
    except ValueError as error:
        raise ConfigurationError(f"{PREFIX}{error}.") from None
    return {name: getattr(branding, name) for name in ("header_prefix", "signature_header")}


def _check(setting: str, check: Callable[..., object], *values: Any) -> None:
    """Run a check that raises `ValueError`; raise `ConfigurationError` that names the setting."""
    try:
        check(*values)
    except ValueError as error:
        raise ConfigurationError(f"{PREFIX}{setting}: {error}.") from None


def warnings(environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each unknown variable with the product's prefix."""
    known = ["API_KEY", "OUTBOX_URL", *(setting.name for setting in SETTINGS)]
    lines = []
    for name in sorted(v.removeprefix(PREFIX) for v in environ if v.startswith(PREFIX)):
        if name in known or _KUBERNETES.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {PREFIX}{near[0]}?" if near else "it has no effect"
        lines.append(f"{PREFIX}{name} is not a setting: {advice}")
    return lines


def check_service(config: Config) -> None:
    """Raise `ConfigurationError` if `serve` cannot run with these settings.

    Other commands have the same environment, but do not need all that `serve` needs.
    """
    if config.accepts and config.theme_logo:
        _check(f"THEME_LOGO={config.theme_logo}", read_logo, config.theme_logo)
    if config.accepts and config.theme_stylesheet:
        _check(
            f"THEME_STYLESHEET={config.theme_stylesheet}", read_stylesheet, config.theme_stylesheet
        )
    if config.operational_url:
        _check("OPERATIONAL_URL", _check_destination, config.operational_url, config.allow_http)
    if config.smtp_url is not None and config.mail_from is None:
        raise ConfigurationError(
            f"{PREFIX}MAIL_FROM: SMTP_URL is set, so the sender of mails is needed too, such as "
            "webhooks@example.com"
        )
    if config.uses_postgres:
        if not config.encryption_keys:
            raise ConfigurationError(
                f"{PREFIX}ENCRYPTION_KEYS: required with PostgreSQL, with the same value on every "
                "node, to encrypt signing secrets. Create a key with: "
                'echo "k1:$(openssl rand -base64 32)"'
            )
        return
    advice = f"set {PREFIX}DATABASE_URL=postgresql://…"
    if config.role != "all":
        raise ConfigurationError(
            f"{PREFIX}ROLE={config.role}: with SQLite there is only one node, which does "
            f"everything. To split the work, use PostgreSQL: {advice}"
        )
    if config.processes > 1:
        raise ConfigurationError(
            f"{PREFIX}PROCESSES={config.processes}: only one process can use an SQLite file. "
            f"For more, use PostgreSQL: {advice}"
        )


def _check_destination(url: str, allow_http: bool) -> None:  # noqa: FBT001  called by `_check`
    from winnerr_webhooks.domain.url import parse_url  # noqa: PLC0415  --help must not load it

    try:
        parse_url(url, allow_http=allow_http)
    except Invalid as refusal:
        raise ValueError(refusal.detail.rstrip(".")) from None


def database_path(config: Config) -> Path:
    """Return the path of the SQLite file. Raises `ConfigurationError` for PostgreSQL."""
    path = database_url.sqlite_path(config.database_url)
    if path is None:
        raise ConfigurationError(
            f"{PREFIX}DATABASE_URL: {config.database_name} is not a file; expected sqlite:///…"
        )
    return path


_MAX_QUOTED = 80
"""How many characters of a wrong value an error repeats."""

# Kubernetes injects these for a Service named winnerr-webhooks. Its _PORT is handled by `parsers`.
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT\w*)|PORT_[0-9]+_(TCP|UDP|SCTP)\w*")


def _quoted(setting: Setting, text: str) -> str:
    """Return the value for an error message; empty if it may contain a secret or a password."""
    if setting.confidential and not text.startswith("sqlite:"):
        return ""
    return f"={text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + '…'!r}"

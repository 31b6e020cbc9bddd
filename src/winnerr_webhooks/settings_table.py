"""The table of all settings: their names, parsers and descriptions."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from winnerr_webhooks import database_url
from winnerr_webhooks import setting_parsers as parsers
from winnerr_webhooks.domain.accent import parse_accent
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.mail_server import parse_mail_server, parse_mailbox
from winnerr_webhooks.encryption_keys import EncryptionKey, parse_encryption_keys

PREFIX: Final = "WINNERR_WEBHOOKS_"


class Setting(msgspec.Struct, frozen=True):
    """A setting: its name without the prefix, its parser, and its description."""

    name: str
    parse: Callable[[str], Any]
    """Raises `ValueError` with a message that says what was expected, without the value."""
    meaning: str
    """One line for --help."""
    confidential: bool = False
    """Whether errors must not repeat its value."""

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return PREFIX + self.name

    @property
    def field(self) -> str:
        """The name of its field in `Config`, and its key in `overrides`."""
        return self.name.lower()

    @property
    def option(self) -> str:
        """Its command line option."""
        return "--" + self.field.replace("_", "-")


def _encryption_keys(text: str) -> tuple[EncryptionKey, ...]:
    try:
        return parse_encryption_keys(text)
    except ConfigurationError as error:
        raise ValueError(f"{error}; expected id:base64key[,id:base64key]") from None


SETTINGS: Final = (
    Setting(
        "DATABASE_URL",
        database_url.parse,
        "The database: sqlite:///relative, sqlite:////absolute or postgresql://….",
        confidential=True,
    ),
    Setting("HOST", parsers.host, "Address to listen on."),
    Setting("PORT", parsers.port, "Port to listen on; 0 chooses a free one."),
    Setting("PUBLIC_URL", parsers.web_url, "URL of the service from outside, used in links."),
    Setting("SIGN_IN_URL", parsers.sign_in_url, "Where a signed-out visitor of the page is sent."),
    Setting(
        "FRAME_ANCESTORS", parsers.origins, "Origins that may embed the page, comma-separated."
    ),
    Setting("TRUSTED_PROXIES", parsers.networks, "CIDRs of proxies that set X-Forwarded-For."),
    Setting(
        "RETRY_SCHEDULE", parsers.retry_schedule, "Seconds before retry 1, 2, 3, …; empty: none."
    ),
    Setting(
        "DELIVERY_TIMEOUT", parsers.number(0.1, 300, "seconds"), "Seconds for one whole attempt."
    ),
    Setting(
        "DRAIN_SECONDS",
        parsers.number(0, 300, "seconds"),
        "Seconds after SIGTERM during which /readyz answers 503 and everything else works.",
    ),
    Setting(
        "SUCCESS_STATUSES",
        parsers.one_of("2xx", "200"),
        "Statuses that count as success: 2xx or 200.",
    ),
    Setting(
        "WEBHOOK_CONCURRENCY",
        parsers.whole(1, 1_000),
        "Maximum number of concurrent attempts to one webhook from one node.",
    ),
    Setting(
        "DISABLE_AFTER_DAYS",
        parsers.number(0, 3_650, "days"),
        "Days of nothing but failures after which a webhook is disabled; 0: never.",
    ),
    Setting(
        "MAX_WEBHOOKS",
        parsers.whole(1, 1_000_000),
        "Maximum number of webhooks of an organization.",
    ),
    Setting("ALLOW_HTTP", parsers.boolean, "Accept http:// destinations (development only)."),
    Setting("ALLOW_NETWORKS", parsers.networks, "CIDRs that may be reached though not public."),
    Setting("DENY_NETWORKS", parsers.networks, "CIDRs that may not be reached though public."),
    Setting(
        "EGRESS_PROXY",
        parsers.egress_proxy,
        "http://user:password@proxy:3128; every attempt goes through it. Prefer the variable.",
        confidential=True,
    ),
    Setting("EGRESS_ADDRESSES", parsers.networks, "CIDRs that receivers should let in."),
    Setting("NAT64_PREFIXES", parsers.nat64_prefixes, "NAT64 prefixes of this network."),
    Setting(
        "ENCRYPTION_KEYS",
        _encryption_keys,
        "id:base64key[,id:base64key]; the first encrypts. Other users see options, so prefer the "
        "variable.",
        confidential=True,
    ),
    Setting("LOG_RETENTION_DAYS", parsers.whole(1, 3_650), "Days an attempt stays in the log."),
    Setting(
        "EVENT_CATALOG", parsers.file_path, "Path of a YAML or JSON file with all event types."
    ),
    Setting(
        "VALIDATE_DATA",
        parsers.one_of("off", "warn", "reject"),
        "What to do with data that its event type's schema does not allow: off, warn or reject.",
    ),
    Setting("BRAND", parsers.brand, "The product's name, as people and receivers read it."),
    Setting("HEADER_PREFIX", parsers.header_name, "Prefix of its headers; empty: X-<BRAND>-."),
    Setting(
        "SIGNATURE_HEADER",
        parsers.header_name,
        "Name of its own signature header; empty: <HEADER_PREFIX>Signature.",
    ),
    Setting(
        "SIGNATURE_FORMAT",
        parsers.signature_format,
        "How that signature is written: {hex} or {base64} with any text around it.",
    ),
    Setting(
        "THEME_ACCENT", parse_accent, "Accent colour: #rrggbb, or one for light, one for dark."
    ),
    Setting("THEME_FONT", parsers.font, "Font stack of the settings page."),
    Setting("THEME_LOGO", parsers.file_path, "Path of an SVG or PNG for the page's header."),
    Setting(
        "THEME_COLOR_SCHEME",
        parsers.one_of("auto", "light", "dark"),
        "Colours of the page: as the visitor prefers (auto), light or dark.",
    ),
    Setting("THEME_HEADER", parsers.one_of("show", "hide"), "Whether the page has its header."),
    Setting("THEME_STYLESHEET", parsers.file_path, "Path of a CSS file served after the page's."),
    Setting(
        "DEFAULT_LANGUAGE",
        parsers.one_of(*LANGUAGES),
        "Language of the settings page for visitors whose own it does not have.",
    ),
    Setting(
        "OPERATIONAL_URL",
        str,
        "Where the operator gets operational events, such as webhook.disabled.",
        confidential=True,
    ),
    Setting(
        "OPERATIONAL_SECRET",
        parsers.signing_secret,
        "The secret that signs operational events. Prefer the variable.",
        confidential=True,
    ),
    Setting(
        "SMTP_URL",
        parse_mail_server,
        "smtps://user:password@mail.example.com, which sends mail. Prefer the variable.",
        confidential=True,
    ),
    Setting("MAIL_FROM", parse_mailbox, "The sender of mails; SMTP_URL needs it."),
    Setting(
        "LOG_LEVEL",
        parsers.one_of("debug", "info", "warning", "error"),
        "Lowest level of log lines that are written: debug, info, warning or error.",
    ),
    Setting(
        "LOG_FORMAT",
        parsers.one_of("json", "console", ""),
        "json or console; empty: console on a terminal, json elsewhere.",
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

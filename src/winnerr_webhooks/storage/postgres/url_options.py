"""The options in PostgreSQL URLs that providers give out, and which of them the driver takes.

asyncpg sends every option that it does not know to the server as a setting, and the server refuses
those that belong to libpq or another client. So these are removed. Some only say what is true
anyway; the others have no counterpart here, and one log line names them.
"""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlunsplit

from winnerr_webhooks import database_url

_TRUE_ANYWAY: Final = {
    "client_encoding": ("utf8", "utf-8", "auto"),
    "gssencmode": ("disable", "prefer"),
    "replication": ("false", "off", "no", "0"),
    "sslcompression": ("0",),
    "sslsni": ("1",),
}
"""Options and their values for which the driver does the same anyway."""
_WITHOUT_COUNTERPART: Final = frozenset(
    (
        # libpq's (PostgreSQL's manual, 32.1.2)
        "channel_binding", "connect_timeout", "fallback_application_name", "gssdelegation",
        "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
        "load_balance_hosts", "max_protocol_version", "min_protocol_version", "require_auth",
        "requirepeer", "scram_client_key", "scram_server_key", "sslcertmode", "sslkeylogfile",
        "tcp_user_timeout", *_TRUE_ANYWAY,
        # of other clients, in URLs that providers show for them
        "connection_limit", "pgbouncer", "pool_mode", "pool_timeout", "prepared_statements",
        "prepareThreshold", "schema", "socket_timeout", "sslaccept", "statement_cache_size",
        "supa", "uselibpqcompat", "workaround",
    )
)  # fmt: skip
_SYSTEM: Final = "system"


class DriverUrl(NamedTuple):
    """A URL the driver understands."""

    url: str
    trusts_system: bool
    """Whether certificates are verified against the system's authorities (sslrootcert=system)."""
    ignored: tuple[str, ...]
    """Names of options that have no effect here, in order."""


def for_driver(url: str) -> DriverUrl:
    """Remove the options that the driver would not understand."""
    parts = database_url.split(url)
    kept: list[tuple[str, str]] = []
    ignored = []
    trusts_system = False
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "sslrootcert" and value == _SYSTEM:
            trusts_system = True
        elif name not in _WITHOUT_COUNTERPART:
            kept.append((name, value))
        elif value not in _TRUE_ANYWAY.get(name, ()):
            ignored.append(name)
    if trusts_system:  # libpq takes no weaker mode with it than verify-full
        kept = [option for option in kept if option[0] != "sslmode"]
    query = urlencode(kept)
    return DriverUrl(urlunsplit(parts._replace(query=query)), trusts_system, tuple(ignored))

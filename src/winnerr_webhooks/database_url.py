"""The database URL: which forms are valid, and a name for messages without the password."""

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(:(?P<port>[0-9]{1,5}))?")
_PORTS = range(1, 65_536)
_PARTS = re.compile(r"([^:/?#]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


def parse(text: str) -> str:
    """Check a URL and return it unchanged. The `ValueError` does not contain the URL."""
    if text.startswith(_SQLITE):
        path = text.removeprefix(_SQLITE)
        if path.strip("/") in ("", ":memory:") or path.endswith("/") or "?" in path:
            raise ValueError("expected a file after sqlite:///, without options")
        return text
    if is_postgres(text):
        _check_postgres(text)
        return text
    raise ValueError(
        "expected sqlite:///relative/file, sqlite:////absolute/file or postgresql://user@host/name"
    )


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL database."""
    return url.startswith(tuple(f"{scheme}://" for scheme in _POSTGRES))


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite database; None for any other database."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def split(url: str) -> SplitResult:
    """Split a PostgreSQL URL (RFC 3986, appendix B). All hosts are in `netloc`.

    `urlsplit` is not used because some Python versions refuse an IPv6 address after the first host.
    Raises `ValueError` for brackets that do not belong to an address.
    """
    match = _PARTS.fullmatch(url)
    if match is None:
        raise ValueError("it is not a URL")
    parts = SplitResult(*match.groups(""))
    credentials, _, hosts = parts.netloc.rpartition("@")
    if "[" in credentials or "]" in credentials or hosts.count("[") != hosts.count("]"):
        raise ValueError("its brackets are not those of an IPv6 address")
    return parts


def display_name(url: str) -> str:
    """Return a name for messages: the file, or the hosts and the database name."""
    path = sqlite_path(url)
    if path is not None:
        return str(path)
    parts = split(url)
    options = dict(parse_qsl(parts.query))
    hosts = parts.netloc.rpartition("@")[2] or options.get("host", "")
    name = parts.path.strip("/") or options.get("dbname") or options.get("database", "")
    return f"postgresql://{unquote(hosts)}/{unquote(name)}".rstrip("/")


def _check_postgres(text: str) -> None:
    """Raise `ValueError` for a URL that the driver would misread: it could take a password as host.

    The messages do not contain the URL.
    """
    try:
        parts = split(text)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:  # its message may contain parts of the URL
        raise ValueError("its hosts or the options after ? are not valid") from None
    if parts.netloc.count("@") > 1 or "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(
            "@ / ? # and : in a user or password must be percent-encoded "
            "(@ is %40, / is %2F, ? is %3F, # is %23, : is %3A)"
        )
    if not _are_valid_hosts(parts, options):
        raise ValueError(
            "expected postgresql://user:password@host:port/name, or several hosts separated by "
            "commas, host1:5432,host2:5432; special characters of a password must be "
            "percent-encoded (/ is %2F)"
        )
    if "/" in parts.path[1:] or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("expected one database name after the host, without white space")


def _are_valid_hosts(parts: SplitResult, options: dict[str, str]) -> bool:
    hosts = parts.netloc.rpartition("@")[2]
    if not hosts:
        return bool(options.get("host"))
    return all(_is_valid_host(host) for host in hosts.split(","))


def _is_valid_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 1) in _PORTS

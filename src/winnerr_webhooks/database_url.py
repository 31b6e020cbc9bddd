"""The database's URL: what it may be, and how it is shown without its password."""

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(:(?P<port>[0-9]{1,5}))?")
_PORTS = range(1, 65_536)
_PARTS = re.compile(r"([^:/?#]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


def parse(text: str) -> str:
    """Check a URL, and give it as it is; ValueError says what was expected, without the value."""
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
    """Whether it names a PostgreSQL database."""
    return url.startswith(tuple(f"{scheme}://" for scheme in _POSTGRES))


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None when it is none."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def split(url: str) -> SplitResult:
    """The parts of a PostgreSQL URL (RFC 3986, appendix B); the hosts are still one text.

    `urlsplit` of some Pythons refuses an IPv6 address that is not the first of several hosts.
    ValueError where brackets are not those of an address.
    """
    match = _PARTS.fullmatch(url)
    if match is None:
        raise ValueError("it is no URL")
    parts = SplitResult(*match.groups(""))
    who, _, hosts = parts.netloc.rpartition("@")
    if "[" in who or "]" in who or hosts.count("[") != hosts.count("]"):
        raise ValueError("its brackets are not those of an IPv6 address")
    return parts


def shown(url: str) -> str:
    """A name of the database for messages: the file, or hosts and name, nothing else."""
    path = sqlite_path(url)
    if path is not None:
        return str(path)
    parts = split(url)
    options = dict(parse_qsl(parts.query))
    hosts = parts.netloc.rpartition("@")[2] or options.get("host", "")
    name = parts.path.strip("/") or options.get("dbname") or options.get("database", "")
    return f"postgresql://{unquote(hosts)}/{unquote(name)}".rstrip("/")


def _check_postgres(text: str) -> None:
    """ValueError for what the driver would misread: then a password could become a host's name."""
    try:
        parts = split(text)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:  # its words repeat what it could not read
        raise ValueError("its hosts or the options after ? cannot be read") from None
    if parts.netloc.count("@") > 1 or "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(
            "a user or password with @ / ? # or : must be written with percent signs "
            "(@ is %40, / is %2F, ? is %3F, # is %23, : is %3A)"
        )
    if not _hosts_are_fine(parts, options):
        raise ValueError(
            "expected postgresql://user:password@host:port/name, or several hosts "
            "with commas, host1:5432,host2:5432; special characters of a password with "
            "percent signs (/ is %2F)"
        )
    if "/" in parts.path[1:] or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("expected one name of a database after the host, without white space")


def _hosts_are_fine(parts: SplitResult, options: dict[str, str]) -> bool:
    hosts = parts.netloc.rpartition("@")[2]
    if not hosts:
        return bool(options.get("host"))
    return all(_host_is_fine(host) for host in hosts.split(","))


def _host_is_fine(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 1) in _PORTS

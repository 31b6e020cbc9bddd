"""What a sign-in link says about the page it opens: where it leads, names, language."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.field_checks import FieldChecks
from winnerr_webhooks.storage.values import PageOptions

PAGE: Final = "/settings/webhooks"
"""The path of the settings page under PUBLIC_URL."""
_ORGANIZATION: Final = re.compile(r"^/@[A-Za-z0-9_-]{1,64}(?=[/?]|$)")
"""The part of a page's address that names an organization: see `session.organization_path`."""
MAX_URL: Final = 2_048
MAX_NAME: Final = 100
_MAX_LANGUAGE: Final = 35
_LANGUAGE: Final = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"  # language
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"  # script, region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)
"""A language tag (BCP 47; RFC 5646, section 2.1, without the grandfathered ones)."""


def check_page_options(
    checks: FieldChecks,
    frame_ancestors: Iterable[str],
    *,
    path: str | None = None,
    return_url: str | None = None,
    language: str | None = None,
    organization_name: str | None = None,
    auto_sign_in: bool = False,
) -> PageOptions:
    """Return the options; `checks` collects errors at /path, /returnUrl, /language and others."""
    return PageOptions(
        path=checks.run(_below_page, path, ""),
        return_url=checks.run(lambda value: _return_url(value, frame_ancestors), return_url, None),
        language=checks.run(_language, language, None),
        organization_name=checks.run(_organization_name, organization_name, None),
        auto_sign_in=auto_sign_in,
    )


def is_allowed_origin(origin: str, ancestors: Iterable[str]) -> bool:
    """Whether FRAME_ANCESTORS names an origin, also as `https://*.example.com`."""
    given = urlsplit(origin)
    for ancestor in ancestors:
        allowed = urlsplit(ancestor)
        if (given.scheme, _port(given)) != (allowed.scheme, _port(allowed)):
            continue
        host, pattern = given.hostname or "", allowed.hostname or ""
        if host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:])):
            return True
    return False


def _port(parts: SplitResult) -> int | None:
    return parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _below_page(path: str | None) -> str:
    """Return what follows the page's own path, without the organization; empty: the page itself."""
    if path is None:
        return ""
    rest = path.removeprefix(PAGE)
    segments = unquote(rest.partition("?")[0]).split("/")
    if (
        rest == path
        or rest[:1] not in ("", "/", "?")
        or len(path) > MAX_URL
        or not (path.isascii() and path.isprintable())
        or set(path) & set(" \\#")
        or ".." in segments
    ):
        raise Invalid.field(
            "/path",
            f"`path` is a page at or below {PAGE}, such as {PAGE}/logs?outcome=failed, with "
            "other characters percent-encoded.",
        )
    return _ORGANIZATION.sub("", rest)


def _return_url(url: str | None, frame_ancestors: Iterable[str]) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        parts, origin = urlsplit(""), ""
    is_web = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    clean = url.isprintable() and not set(url) & set(" \\") and len(url) <= MAX_URL
    if not (is_web and clean) or (
        parts.scheme == "http" and not is_allowed_origin(origin, frame_ancestors)
    ):
        raise Invalid.field(
            "/returnUrl",
            "`returnUrl` is an https URL, or one of an origin in FRAME_ANCESTORS, of up to "
            f"{MAX_URL} characters and without user info.",
        )
    return url


def _language(tag: str | None) -> str | None:
    if tag is not None and not (len(tag) <= _MAX_LANGUAGE and _LANGUAGE.fullmatch(tag)):
        raise Invalid.field(
            "/language", "`language` is a language tag (BCP 47), such as `en` or `pt-BR`."
        )
    return tag


def _organization_name(name: str | None) -> str | None:
    if name is None or not (name := name.strip()):
        return None
    if len(name) > MAX_NAME or not name.isprintable():
        raise Invalid.field(
            "/organizationName",
            f"`organizationName` is a name of up to {MAX_NAME} printable characters.",
        )
    return name

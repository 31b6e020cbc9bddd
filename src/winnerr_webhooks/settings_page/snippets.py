"""Code that verifies this webhook's signature, in the languages receivers are written in."""

from typing import Final
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment

LANGUAGES: Final = (
    ("Node.js", "node"),
    ("Python", "python"),
    ("Go", "go"),
    ("PHP", "php"),
    ("Ruby", "ruby"),
    ("Java", "java"),
)


class Snippet(msgspec.Struct, frozen=True):
    """One language's receiver."""

    language: str
    slug: str
    code: str


def snippets(environment: Environment, url: str, header_prefix: str) -> list[Snippet]:
    """A receiver in each language, for this webhook's path and this product's header.

    The secret is not in them: it comes from the receiver's environment.
    """
    name = f"X-{header_prefix}-Signature"
    values = {
        "path": _literal(urlsplit(url).path or "/"),
        "header": name,
        "php_header": "HTTP_" + name.upper().replace("-", "_"),
        "variable": f"{header_prefix.upper()}_WEBHOOK_SECRET",
    }
    return [
        Snippet(
            language, slug, environment.get_template(f"snippets/{slug}.txt").render(values).strip()
        )
        for language, slug in LANGUAGES
    ]


def _literal(path: str) -> str:
    """A path as it may stand between quotes in any of the languages."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "/-._~") else "*" for c in path)

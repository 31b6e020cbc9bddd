"""Code that verifies this webhook's signature, in the languages receivers are written in.

Each is one function `verify(raw body, signature) -> bool`, of one shape: nothing passes without a
secret or a signature, the HMAC-SHA256 of the raw bytes, a comparison in constant time. A last
comment says how a framework calls it.
"""

from string import ascii_letters, digits
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
_IN_PATHS: Final = frozenset(ascii_letters + digits + "-._~/%!$&'()*+,;=:@")


class Snippet(msgspec.Struct, frozen=True):
    """One language's verification."""

    language: str
    slug: str
    code: str


def snippets(environment: Environment, url: str, header_prefix: str) -> list[Snippet]:
    """One in each language, for this webhook's path and this product's header.

    The secret is not in them: it comes from the receiver's environment. Nor is the URL's query,
    which can be one.
    """
    name = f"X-{header_prefix}-Signature"
    values = {
        "path": _path(urlsplit(url).path or "/"),
        "header": name,
        "cgi_header": "HTTP_" + name.upper().replace("-", "_"),
        "variable": f"{header_prefix.upper()}_WEBHOOK_SECRET",
    }
    return [
        Snippet(
            language, slug, environment.get_template(f"snippets/{slug}.txt").render(values).strip()
        )
        for language, slug in LANGUAGES
    ]


def _path(path: str) -> str:
    """A path as it may stand in a line's comment of any of the languages.

    What RFC 3986, section 3.3, has in paths stays; anything else, such as Java's unicode escapes
    and JavaScript's line separators, could end the comment.
    """
    return "".join(c if c in _IN_PATHS else "*" for c in path)

"""Code examples that verify a webhook's signature, in the languages of receivers.

Each example is one function `verify(raw body, signature) -> bool`. It refuses a request without a
signature and refuses everything when no secret is set. Otherwise it computes the HMAC-SHA256 of
the raw body and compares in constant time. The last comment shows how a framework calls it.
"""

import json
from string import ascii_letters, digits
from typing import Final
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment

from winnerr_webhooks.domain.branding import Branding

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
    """The example for one language."""

    language: str
    slug: str
    code: str


def snippets(environment: Environment, url: str, branding: Branding) -> list[Snippet]:
    """An example in each language, with this webhook's path and this product's header.

    The examples read the secret from the receiver's environment. They leave out the URL's query,
    because it can contain a secret too.
    """
    name, form = branding.signature_header, branding.signature_format
    values = {
        "path": _path(urlsplit(url).path or "/"),
        "header": name,
        "cgi_header": "HTTP_" + name.upper().replace("-", "_"),
        "variable": branding.secret_variable,
        "encoding": form.encoding,
    }
    found = []
    for language, slug in LANGUAGES:
        plus = " . " if slug == "php" else " + "
        around = {
            "before": _quoted(form.prefix, slug) + plus if form.prefix else "",
            "after": plus + _quoted(form.suffix, slug) if form.suffix else "",
        }
        template = environment.get_template(f"snippets/{slug}.txt")
        found.append(Snippet(language, slug, template.render(values | around).strip()))
    return found


def _quoted(text: str, slug: str) -> str:
    """Printable ASCII as a string literal of a language."""
    if slug == "php":
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    literal = json.dumps(text)
    return literal.replace("#", "\\#") if slug == "ruby" else literal


def _path(path: str) -> str:
    """A path that is safe in a line comment of every language.

    Characters that RFC 3986, section 3.3, allows in paths stay. Any other becomes `*`, because
    it could end the comment, as Java's Unicode escapes and JavaScript's line separators can.
    """
    return "".join(c if c in _IN_PATHS else "*" for c in path)

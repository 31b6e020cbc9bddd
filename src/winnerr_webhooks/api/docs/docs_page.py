"""Renders the OpenAPI document as an HTML page without scripts or anything from other sites."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from winnerr_webhooks.api.problems import KINDS

CSS_PATH: Final = "/api/docs.css"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

CSS: Final = """\
:root { color-scheme: light dark; --line: #8884; --accent: #2f5bd7; --faint: #8882; }
@media (prefers-color-scheme: dark) { :root { --accent: #8fb0ff; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem; padding: 24px; }
h1 { font-size: 24px; } h2 { font-size: 20px; margin-top: 48px; } h3 { font-size: 16px; }
a { color: var(--accent); }
nav h2 { font-size: 16px; margin: 16px 0 0; }
nav ul { columns: 2; margin: 0; list-style: none; padding: 0; }
section { border-top: 1px solid var(--line); padding-top: 8px; scroll-margin-top: 8px; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { background: var(--faint); overflow-x: auto; padding: 8px 16px; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 4px 16px 4px 0; text-align: left;
  vertical-align: top; }
.method { text-transform: uppercase; font-weight: 600; }
@media (max-width: 40rem) { nav ul { columns: 1; } }
"""

_CODE = re.compile(r"`([^`]+)`")


def render(document: dict[str, Any]) -> str:
    """The page as HTML."""
    return "\n".join(_page(document)) + "\n"


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    title = escape(f"{info['title']} API {info['version']}")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{title}</title>\n<link rel="stylesheet" href="{CSS_PATH}">\n</head>\n<body>'
    yield f"<main>\n<h1>{title}</h1>\n<p>{_prose(info['description'])}</p>"
    yield '<p>For tools: the <a href="/api/openapi.json">OpenAPI 3.1 document</a>.</p>'
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    yield from _contents(document, operations)
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for method, path, operation in operations:
            if tag["name"] in operation["tags"]:
                yield from _operation(method, path, operation)
    yield from _problems()
    yield '<h2 id="schemas">Types</h2>'
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _schema(name, schema)
    yield "</main>\n</body>\n</html>"


def _contents(document: dict[str, Any], operations: list[tuple[str, str, Any]]) -> Iterator[str]:
    yield '<nav aria-label="Contents">'
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>\n<ul>"
        for _, _, operation in operations:
            if tag["name"] in operation["tags"]:
                link = escape(operation["operationId"])
                yield f'<li><a href="#{link}">{escape(operation["summary"])}</a></li>'
        yield "</ul>"
    yield '<p><a href="#problems">Problems</a> · <a href="#schemas">Types</a></p>\n</nav>'


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(operation["operationId"])}">'
    yield f"<h3>{escape(operation['summary'])}</h3>"
    yield f'<p><code><span class="method">{escape(method)}</span> {escape(path)}</code></p>'
    if "description" in operation:
        yield f"<p>{_prose(operation['description'])}</p>"
    if operation.get("security") == []:
        yield "<p>Needs no key.</p>"
    queries = [one for one in operation.get("parameters", ()) if one["in"] != "path"]
    if queries:
        yield "<table>\n<tr><th>Parameter</th><th>Type</th><th>Meaning</th></tr>"
        for one in queries:
            yield _row(one["name"], _type(one["schema"]), _prose(one["description"]))
        yield "</table>"
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        yield f"<p>Body: {_type(content['schema'])}</p>\n{_example(content)}"
    yield from _responses(operation["responses"])
    yield "</section>"


def _responses(responses: dict[str, Any]) -> Iterator[str]:
    refusals = []
    for status, response in responses.items():
        content = response.get("content", {})
        if "application/problem+json" in content:
            slugs = content["application/problem+json"]["examples"]
            links = " or ".join(f'<a href="#{slug}">{slug}</a>' for slug in slugs)
            refusals.append(f"{status} {links}")
            continue
        kinds = [
            _type(media["schema"]) if "schema" in media else escape(kind)
            for kind, media in content.items()
        ]
        yield f"<p>Answer: {status} {', '.join(kinds)}</p>"
        for media in content.values():
            yield _example(media)
    if refusals:
        yield f"<p>Errors: {', '.join(refusals)}</p>"


def _problems() -> Iterator[str]:
    yield '<h2 id="problems">Problems</h2>'
    yield "<p>The <code>type</code> of a problem is a link to its row here.</p>"
    yield "<table>\n<tr><th>Status</th><th>Kind</th><th>Meaning</th></tr>"
    for kind in KINDS:
        yield (
            f'<tr id="{kind.slug}"><td>{kind.status}</td><td>{escape(kind.title)}</td>'
            f"<td>{_prose(kind.meaning)}</td></tr>"
        )
    yield "</table>"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(name)}">\n<h3>{escape(name)}</h3>'
    yield f"<p>{_prose(schema.get('description', ''))}</p>"
    yield "<table>\n<tr><th>Field</th><th>Type</th><th></th></tr>"
    required = schema.get("required", ())
    for field, kind in schema.get("properties", {}).items():
        yield _row(field, _type(kind), "" if field in required else "optional")
    yield "</table>\n</section>"


def _row(name: str, kind: str, meaning: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{meaning}</td></tr>"


def _type(schema: dict[str, Any]) -> str:
    """A short description of a schema, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "additionalProperties" in schema:
        return "object"
    return escape(schema.get("format") or schema.get("type") or "any JSON")


def _example(media: dict[str, Any]) -> str:
    if "example" not in media:
        return ""
    return f"<pre>{escape(json.dumps(media['example'], indent=2, ensure_ascii=False))}</pre>"


def _prose(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))

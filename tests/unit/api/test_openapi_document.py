"""The OpenAPI document and the page made of it are complete, valid and correct."""

import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from winnerr_webhooks.api.docs import docs_page
from winnerr_webhooks.api.docs.openapi_document import OPERATIONS, build
from winnerr_webhooks.api.json_body import decode
from winnerr_webhooks.api.problems import KINDS
from winnerr_webhooks.api.rest_api import routes as api_routes
from winnerr_webhooks.config import Config


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def routes():
    """Every route of the REST API: (path template, method, its query parameters)."""
    router = api_routes()
    for route in router.routes:
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                path = re.sub(r"\{(\w+):str\}", "{}", route.path)
                yield path, method.lower(), tuple(handler.opt.get("query", ()))


@pytest.fixture(scope="module")
def document():
    return json.loads(msgspec.json.encode(build(Config().branding)))


def test_exactly_the_routes_are_described_with_their_parameters(document):
    described = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            described[re.sub(r"\{\w+\}", "{}", path), method] = names
    served = {(path, method): names for path, method, names in routes()}
    hot = {("/api/v1/events", "post"), ("/api/v1/events/batch", "post")}
    api = {key for key in described if key[0].startswith("/api/v1")}
    assert api == served.keys() | hot
    for key, names in served.items():
        assert set(described[key]) == set(names)


def test_every_reference_has_a_schema_and_every_schema_is_used(document):
    schemas = document["components"]["schemas"]
    named = {ref.rpartition("/")[2] for ref in references(document)}
    assert named == schemas.keys()
    assert not [name for name in schemas if name.endswith("Shape")]


def test_every_path_parameter_is_declared(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = [
                one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"
            ]
            assert declared == re.findall(r"\{(\w+)\}", path)


def test_operation_ids_are_unique(document):
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def test_errors_are_described_as_problems_with_examples(document):
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    media = response["content"]["application/problem+json"]
                    for example in media["examples"].values():
                        assert str(example["value"]["status"]) == status
            assert ("401" in operation["responses"]) == (operation.get("security") != [])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_examples_match_their_types(operation):
    """An example has no field that its type lacks, for it would be refused or never sent."""
    for shape, example in (
        (operation.body, operation.body_example),
        (operation.answer, operation.answer_example),
    ):
        if shape is not None:
            raw = json.dumps(example).encode()
            raw_fields = getattr(shape, "raw_json_fields", ())
            decoded = decode(raw, shape) if raw_fields else msgspec.json.decode(raw, type=shape)
            sent = json.loads(msgspec.json.encode(decoded))
            for name in raw_fields & sent.keys() if raw_fields else ():
                sent[name] = json.loads(sent[name])
            assert json.loads(raw).items() <= sent.items() if isinstance(sent, dict) else sent


async def test_document_and_page_need_no_key(api, document):
    response, raw = await api.raw("GET", "/api/openapi.json", key=None)
    assert response.status == 200
    assert response.content_type == "application/json"
    assert json.loads(raw) == document
    assert document["openapi"] == "3.1.0"


async def test_the_page_has_no_scripts_and_loads_nothing_from_other_sites(api):
    response, raw = await api.raw("GET", "/api/docs", key=None)
    assert response.content_type == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = raw.decode()
    assert "<script" not in html
    assert not re.search(r"\sstyle=|<style|\son\w+=", html)
    assert re.findall(r'(?:src|href)="([^#"][^"]*)"', html) == [
        docs_page.CSS_PATH,
        "/api/openapi.json",
    ]
    response, _ = await api.raw("GET", docs_page.CSS_PATH, key=None)
    assert response.content_type == "text/css"


class Anchors(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        if found.get("href", "").startswith("#"):
            self.links.append(found["href"][1:])
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_link_of_the_page_has_its_anchor_and_every_tag_is_closed(document):
    parser = Anchors()
    parser.feed(docs_page.render(document))
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert set(parser.links) <= set(parser.ids)
    assert {kind.slug for kind in KINDS} <= set(parser.ids)


def test_the_page_escapes_what_it_shows(document):
    assert "<b>" not in docs_page.render(document | {"info": document["info"] | {"title": "<b>"}})

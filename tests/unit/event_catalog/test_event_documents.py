"""The documents made of a catalogue are valid, and say what receivers get."""

import json

import pytest
from openapi_spec_validator import validate

from winnerr_webhooks.domain.branding import Branding, SignatureFormat
from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.event_catalog.catalog_file import parse_catalog
from winnerr_webhooks.event_catalog.catalog_yaml import catalog_yaml
from winnerr_webhooks.event_catalog.data_schemas import data_check
from winnerr_webhooks.event_catalog.event_documents import (
    asyncapi_document,
    component_keys,
    openapi_document,
)

BRANDING = Branding("Globex", "X-Globex-", "X-Globex-Hmac", SignatureFormat("sha256=", "hex"))
SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "lines": {"items": {"$ref": "#/$defs/line"}}},
    "$defs": {"line": {"type": "object", "required": ["sku"]}},
}
OWN = Catalog(
    (
        EventType(
            name="order.paid",
            category="Orders",
            description="It was paid.",
            example=b'{"id":"x","lines":[{"sku":"1"}]}',
            schema=json.dumps(SCHEMA).encode(),
        ),
        EventType(
            name="order.lost",
            category="Orders",
            description="It was lost.",
            example=b"{}",
            deprecated="Use order.cancelled.",
        ),
    )
)


@pytest.mark.parametrize("catalog", [OWN, CATALOG], ids=["own", "default"])
def test_the_openapi_document_is_valid_and_has_every_event_type(catalog):
    document = openapi_document(catalog, BRANDING)
    validate(document)
    assert list(document["webhooks"]) == list(catalog.names)
    names = {one["name"] for one in document["components"]["parameters"].values()}
    assert {"X-Globex-Event", "X-Globex-Delivery", "X-Globex-Hmac", "webhook-signature"} <= names
    assert "innerr" not in json.dumps(document) or catalog is CATALOG


@pytest.mark.parametrize("make", [openapi_document, asyncapi_document])
def test_each_example_fits_the_schema_of_its_payload(make):
    document = make(OWN, BRANDING)
    schemas = document["components"]["schemas"]
    check = data_check({"$ref": "#/components/schemas/OrderPaid", "components": {
        "schemas": schemas,
    }})  # fmt: skip
    payload = {"event": "order.paid", "timestamp": "x", "organizationId": "o"}
    assert check(json.dumps(payload | {"data": {"id": "x", "lines": [{"sku": 1}]}}).encode()) == ()
    (error,) = check(json.dumps(payload | {"data": {"id": "x", "lines": [{}]}}).encode())
    assert error.pointer == "/data/data/lines/0/sku"
    assert check(json.dumps(payload | {"event": "order.lost", "data": {"id": "x"}}).encode())


def test_a_deprecated_event_type_says_so():
    operation = openapi_document(OWN, BRANDING)["webhooks"]["order.lost"]["post"]
    assert (operation["deprecated"], operation["description"]) == (True, "Use order.cancelled.")
    messages = asyncapi_document(OWN, BRANDING)["components"]["messages"]
    assert messages["OrderLost"]["description"] == "Deprecated. Use order.cancelled."


def test_every_reference_of_the_asyncapi_document_leads_somewhere():
    document = asyncapi_document(CATALOG, BRANDING)
    found = list(references(document))
    assert len(found) > 80
    for reference in found:
        value = document
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from references(inner)


def test_components_have_names_of_their_own():
    names = ("a.b", "a_b", "a-b", "ab.data", "ab", "headers", "1.x", "...")
    types = tuple(
        EventType(name=one, category="x", description="x", example=b"{}") for one in names
    )
    keys = component_keys(Catalog(types))
    schemas = [*keys.values(), *(f"{key}Data" for key in keys.values())]
    assert len(set(schemas)) == len(schemas)
    assert "Headers" not in schemas
    assert keys["1.x"] == "Event1X"


@pytest.mark.parametrize("catalog", [OWN, CATALOG], ids=["own", "default"])
def test_a_catalogue_that_is_written_and_read_is_the_same(catalog):
    again = parse_catalog("x", catalog_yaml(catalog.categories).encode())
    for (name, types), (name_again, types_again) in zip(
        catalog.categories, again.categories, strict=True
    ):
        assert name == name_again
        for one, other in zip(types, types_again, strict=True):
            assert (one.name, one.description, one.deprecated) == (
                other.name, other.description, other.deprecated,
            )  # fmt: skip
            assert json.loads(one.example) == json.loads(other.example)
            assert (one.schema is None) == (other.schema is None)

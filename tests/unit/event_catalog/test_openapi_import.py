"""A catalogue made of an OpenAPI document's `webhooks`."""

import json

import pytest

from winnerr_webhooks.domain.branding import Branding, SignatureFormat
from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.event_catalog.catalog_file import parse_catalog
from winnerr_webhooks.event_catalog.catalog_yaml import catalog_yaml
from winnerr_webhooks.event_catalog.event_documents import openapi_document
from winnerr_webhooks.event_catalog.openapi_import import import_openapi

PETS = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
webhooks:
  newPet:
    post:
      summary: A new pet.
      tags: [Pets]
      requestBody:
        content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}
  pet.gone: {$ref: "#/components/pathItems/gone"}
  nothing: {}
  pet.elsewhere:
    post:
      requestBody:
        content: {application/json: {schema: {$ref: "other.json#/Pet"}, example: {id: 1}}}
components:
  pathItems:
    gone:
      post:
        deprecated: true
        description: Use pet.left.
        requestBody:
          content:
            application/json:
              schema:
                properties: {event: {const: pet.gone}, data: {$ref: "#/components/schemas/Pet"}}
              example: {event: pet.gone, data: {id: 3, name: Rex}}
  schemas:
    Pet:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, minimum: 5}
        name: {type: string}
        born: {type: string, format: date-time}
        kind: {enum: [cat, dog]}
        owner: {$ref: "#/components/schemas/Owner"}
        friends: {type: array, items: {$ref: "#/components/schemas/Pet"}}
    Owner: {type: object, properties: {email: {type: string, format: email}}}
"""


def test_each_webhook_becomes_an_event_type_and_the_file_is_valid():
    categories, notes = import_openapi(PETS.replace("minimum: 5", "minimum: 3").encode())
    catalog = parse_catalog("x", catalog_yaml(categories).encode())
    assert list(catalog.names) == ["new_pet", "pet.gone", "pet.elsewhere"]
    new, gone = catalog.get("new_pet"), catalog.get("pet.gone")
    assert (new.category, new.description) == ("Pets", "A new pet.")
    assert json.loads(new.example) == {
        "id": 3, "name": "text", "born": "2025-01-15T14:23:00Z", "kind": "cat",
        "owner": {"email": "jane@example.com"}, "friends": [],
    }  # fmt: skip
    assert json.loads(gone.example) == {"id": 3, "name": "Rex"}
    assert gone.deprecated == "Use pet.left."
    (error,) = catalog_errors(gone, b'{"id":3,"name":7}')
    assert error.pointer == "/data/name"
    assert catalog.get("pet.elsewhere").schema is None
    assert notes == [
        "newPet: its name is new_pet here.",
        "nothing: it has no operation, so it is left out.",
        "other.json#/Pet is not in the document: that schema is left out.",
    ]


def catalog_errors(one, data: bytes):
    from winnerr_webhooks.event_catalog.data_schemas import data_check

    return data_check(json.loads(one.schema))(data)


def test_our_own_document_comes_back_as_the_catalogue_that_it_was_made_of():
    text = """
categories:
- name: Orders
  events:
  - name: order.paid
    description: It was paid.
    example: {id: x}
    schema: {type: object, required: [id], properties: {id: {type: string}}}
  - name: order.lost
    description: It was lost.
    deprecated: Use order.cancelled.
    example: {n: 1}
"""
    catalog = parse_catalog("x", text.encode())
    branding = Branding("X", "X-", "X-Signature", SignatureFormat("", "hex"))
    document = json.dumps(openapi_document(catalog, branding))
    categories, notes = import_openapi(document.encode())
    again = parse_catalog("x", catalog_yaml(categories).encode())
    assert notes == []
    for name in catalog.names:
        one, other = catalog.get(name), again.get(name)
        assert (one.category, one.description, one.deprecated, one.example) == (
            other.category, other.description, other.deprecated, other.example,
        )  # fmt: skip
    assert again.data_errors("order.paid", b"{}") == ()  # off
    assert json.loads(again.get("order.paid").schema)["required"] == ["id"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"openapi: 3.0.0\npaths: {}", "has no `webhooks`"),
        (b"[]", "has no `webhooks`"),
        (b"a: [", "Line "),
        (b"\xff", "not UTF-8"),
    ],
)
def test_what_is_no_such_document_is_refused(content, says):
    with pytest.raises(Invalid, match=says):
        import_openapi(content)

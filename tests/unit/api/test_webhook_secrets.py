"""Secrets and keys of webhooks in the REST API: given, generated, rotated and shown."""

import base64
import re

from tests.unit.api.webhook_json import DRAFT, FIELDS


async def test_a_webhook_signs_with_ed25519_and_shows_its_public_key_only(api):
    made = await api.webhook(signing="ed25519")
    assert (made["signing"], made["hasSecret"]) == ("ed25519", True)
    assert "secret" not in made
    path = f"~/webhooks/{made['id']}"
    shown = await api.ok("GET", f"{path}/secret")
    assert list(shown) == ["publicKey"]
    assert shown["publicKey"].startswith("whpk_")
    rotated = await api.ok("PUT", f"{path}/secret", {})
    assert list(rotated) == ["overlapEndsAt", "publicKey"]
    assert rotated["publicKey"] != shown["publicKey"]
    assert await api.ok("GET", f"{path}/secret") == {"publicKey": rotated["publicKey"]}
    back = await api.ok("PATCH", path, {"signing": "hmac"})
    assert back["signing"] == "hmac"
    assert (await api.ok("GET", f"{path}/secret"))["secret"].startswith("whsec_")
    again = await api.ok("PATCH", path, {"signing": "ed25519", "name": "CRM"})
    assert (again["signing"], again["name"]) == ("ed25519", "CRM")
    assert (await api.ok("PATCH", path, {"signing": "ed25519"}))["updatedAt"] == again["updatedAt"]
    await api.call("DELETE", f"{path}/secret")
    unsigned = await api.ok("GET", path)
    assert (unsigned["signing"], unsigned["hasSecret"]) == ("hmac", False)
    signed = await api.ok("PATCH", path, {"signing": "ed25519"})
    assert (signed["signing"], signed["hasSecret"]) == ("ed25519", True)


async def test_a_key_of_ones_own_can_be_brought(api):
    key = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    made = await api.webhook(signing="ed25519", secret=key)
    shown = await api.ok("GET", f"~/webhooks/{made['id']}/secret")
    assert shown == {"publicKey": "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="}


async def test_keys_and_secrets_are_not_mistaken_for_each_other(api):
    key = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    for wrong, pointer in (
        ({"signing": "rsa"}, "/signing"),
        ({"secret": key}, "/secret"),
        ({"secret": "whpk_" + key[5:]}, "/secret"),
        ({"signing": "ed25519", "secret": "an old friend"}, "/secret"),
        ({"signing": "ed25519", "secret": key[:-4]}, "/secret"),
        ({"signing": "ed25519", "secret": "whsk_é"}, "/secret"),
    ):
        status, answer = await api.call("POST", "~/webhooks", DRAFT | wrong)
        assert (status, [one["pointer"] for one in answer["errors"]]) == (422, [pointer]), wrong
        assert key[5:] not in str(answer)


async def test_a_given_secret_is_stored_and_shown_only_when_asked_for(api):
    made = await api.webhook(secret="päss word ☃")
    assert made["hasSecret"]
    assert made.keys() == FIELDS
    path = f"~/webhooks/{made['id']}/secret"
    assert await api.ok("GET", path) == {"secret": "päss word ☃"}


async def test_a_generated_secret_is_in_the_answer_of_the_creation(api):
    made = await api.webhook(generateSecret=True)
    assert made.keys() == FIELDS | {"secret"}
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    path = f"~/webhooks/{made['id']}"
    assert await api.ok("GET", path + "/secret") == {"secret": made["secret"]}
    assert (await api.ok("GET", path)).keys() == FIELDS


async def test_secrets_rotate_with_an_overlap(api):
    made = await api.webhook()
    path = f"~/webhooks/{made['id']}/secret"
    assert (await api.call("GET", path))[0] == 404
    assert await api.ok("PUT", path, {"secret": "first secret"}) == {"overlapEndsAt": None}
    rotated = await api.ok("PUT", path)
    assert rotated["secret"].startswith("whsec_")
    assert rotated["overlapEndsAt"].endswith("Z")
    assert await api.ok("GET", path) == {"secret": rotated["secret"]}
    ended = {"secret": rotated["secret"], "overlapSeconds": 0}
    assert await api.ok("PUT", path, ended) == {"overlapEndsAt": None}
    (target,) = await api.storage.targets([made["id"]])
    assert (target.secret, target.next_secret) == (rotated["secret"], None)
    assert (await api.raw("DELETE", path))[0].status == 204
    assert (await api.raw("DELETE", path))[0].status == 204
    assert (await api.call("GET", path))[0] == 404
    assert not (await api.ok("GET", f"~/webhooks/{made['id']}"))["hasSecret"]
    assert api.node.changed == [made["id"]] * 5

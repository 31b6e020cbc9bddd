"""A second product on the same program, by settings alone: nothing of it says another's name."""

import base64
import hmac
import json
import re
from pathlib import Path
from typing import Self

import aiohttp
import pytest

from winnerr_webhooks import settings_page

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("adapter", ["sqlite"], scope="session"),
]

GLOBEX = {
    "BRAND": "Globex CRM",
    "SIGNATURE_HEADER": "X-Globex-Hmac",
    "SIGNATURE_FORMAT": "sha256:{base64}",
    "THEME_ACCENT": "#0f766e,#2dd4bf",
    "DEFAULT_LANGUAGE": "fr",
}
CATALOGUE = """
categories:
- name: Orders
  events:
  - name: order.paid
    description: An order was paid.
    example: {id: order_1, amount: 12.5}
    schema: {type: object, properties: {amount: {type: number, minimum: 0}}}
  - name: order.lost
    description: An order was lost.
    deprecated: Use order.cancelled.
    example: {id: order_1}
"""
STATIC = {one.name for one in (Path(settings_page.__file__).parent / "static").iterdir()}
SECRET = "a secret of Globex"
SETTINGS = "/settings/webhooks"


@pytest.fixture
def make_globex(make_server, tmp_path: Path):
    """Start a server of the second product, with event types of its own."""
    file = tmp_path / "events.yaml"
    file.write_text(CATALOGUE)

    async def make():
        return await make_server(**GLOBEX, EVENT_CATALOG=str(file), VALIDATE_DATA="reject")

    return make


def written(body: bytes, secret: str = SECRET) -> str:
    digest = hmac.digest(secret.encode(), body, "sha256")
    return f"sha256:{base64.b64encode(digest).decode()}"


async def test_a_receiver_sees_the_products_own_headers_and_signature(make_globex, receiver):
    globex = await make_globex()
    webhook = await globex.webhook(receiver.url, secret=SECRET)
    await globex.emit("order.paid")
    await globex.ok("PUT", f"~/webhooks/{webhook['id']}/secret", {"secret": "the next secret"})
    await globex.ok("POST", f"~/webhooks/{webhook['id']}/test", {})
    first, test = await receiver.wait_for(2)
    assert first["X-Globex-Hmac"] == written(first.body)
    assert first["User-Agent"].startswith("Globex-CRM-Webhooks/")
    assert {name for name in first.headers if name.startswith("x-")} == {
        "x-globex-crm-event",
        "x-globex-crm-delivery",
        "x-globex-crm-webhook",
        "x-globex-crm-attempt",
        "x-globex-hmac",
    }
    assert test["X-Globex-CRM-Test"] == "true"
    assert test["X-Globex-Hmac"] == written(test.body)
    assert test["X-Globex-Hmac-Next"] == written(test.body, "the next secret")
    assert not [line for one in (first, test) for line in one.headers if "winnerr" in line.lower()]


async def test_no_page_header_or_answer_says_another_products_name(make_globex, receiver):
    globex = await make_globex()
    webhook = await globex.webhook(receiver.url, secret=SECRET)
    await globex.emit("order.paid")
    page = await globex.until("~/logs", lambda page: page["items"])
    attempt = page["items"][0]["id"]
    link = await globex.ok("POST", "~/portal-sessions", {"role": "admin", "user": "Jane"})
    own = f"{SETTINGS}/{webhook['id']}"
    views = (
        "deliveries",
        "settings",
        "signing",
        "edit",
        "delete",
        "recover",
        "rehearse",
        "signature-check",
        "check-receiver",
    )
    async with Browser(globex) as browser:
        for path in ("/", "/api/docs", "/api/openapi.json", "/api/v1/event-types", "/nowhere"):
            await browser.get(path)
        for path in (SETTINGS, f"{SETTINGS}/sign-in/none", f"{SETTINGS}/signed-out", link["url"]):
            await browser.get(path)
        await browser.post(link["url"])
        for path in ("/event-types", "/event-types/send?event=order.paid"):
            await browser.get(SETTINGS + path)
        for path in ("", "/new", "/logs", f"/logs/{attempt}", "/wh_unknown"):
            await browser.get(SETTINGS + path)
        for path in (own, *(f"{own}/{view}" for view in views)):
            await browser.get(path)
        (folder, *_) = re.findall(r'"(/settings/[^"]+/static/[^"]+/)page.css"', browser.text)
        files = {*STATIC, "theme.css", f"{SETTINGS}/embed.js"}
        for name in files:
            await browser.get(name if name.startswith("/") else folder + name)
        assert_neutral(browser.text)
        for shown in (
            "Globex CRM",
            "X-Globex-CRM-Event",
            "X-Globex-Hmac",
            "Se déconnecter",
            '<html lang="fr" dir="ltr">',
            "--accent: #2dd4bf",
        ):
            assert shown in browser.text
    assert_neutral(json.dumps(await globex.ok("GET", f"~/logs/{attempt}")))
    for document in ("", "/openapi.json", "/asyncapi.json"):
        text = json.dumps(await globex.ok("GET", f"/api/v1/event-types{document}"))
        assert_neutral(text)
        assert "order.lost" in text
        assert "contact.created" not in text


class Browser:
    """Keeps cookies, and all that it was sent: headers and bodies."""

    def __init__(self, server) -> None:
        jar = aiohttp.CookieJar(unsafe=True)  # keeps cookies of an IP address, too
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", cookie_jar=jar)
        self.text = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.session.close()

    async def get(self, path: str) -> None:
        await self._ask("GET", path)

    async def post(self, path: str) -> None:
        await self._ask("POST", path)

    async def _ask(self, method: str, path: str) -> None:
        async with self.session.request(method, path) as answer:
            assert answer.status < 500, path
            assert answer.status == 200 or "/static/" not in path
            for one in (*answer.history, answer):
                self.text += f"\n{path} {one.headers}\n"
            if not answer.content_type.startswith("font/"):
                self.text += await answer.text()


def assert_neutral(text: str) -> None:
    found = re.finditer("winnerr", text, re.IGNORECASE)
    assert [text[max(0, one.start() - 80) : one.end() + 40] for one in found] == []


async def test_the_commands_check_what_the_product_sends(make_globex, receiver, tmp_path: Path):
    globex = await make_globex()
    await globex.webhook(receiver.url, secret=SECRET)
    await globex.emit("order.paid")
    (got,) = await receiver.wait_for(1)
    body, headers = tmp_path / "body", tmp_path / "headers"
    body.write_bytes(got.body)
    headers.write_text("".join(f"{name}: {value}\n" for name, value in got.headers.items()))
    globex.settings["SECRET"] = ""
    words = ("--body", str(body), "--headers", str(headers), "--secret", SECRET)
    code, out, _ = await globex.command("verify", *words)
    assert (code, out) == (0, "The signature is valid.\n")
    headers.write_text(f"X-Globex-Hmac: {written(got.body).replace(':', '=')}\n")
    code, out, _ = await globex.command("verify", *words)
    assert code == 1
    assert "It has to begin with `sha256:`" in out
    code, out, _ = await globex.command("check-receiver", receiver.url, "--secret", SECRET)
    assert "X-Globex-Hmac" in out
    assert "innerr" not in out.replace("winnerr-webhooks", "")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"HEADER_PREFIX": "X Acme"}, "WINNERR_WEBHOOKS_HEADER_PREFIX='X Acme': expected up to 64"),
        ({"SIGNATURE_HEADER": "Host"}, "WINNERR_WEBHOOKS_SIGNATURE_HEADER: Host is a header"),
        (
            {"THEME_ACCENT": "#0f766e"},
            "WINNERR_WEBHOOKS_THEME_ACCENT: #0f766e has a contrast of 3.0:1 in dark",
        ),
        (
            {"THEME_LOGO": "/nowhere.svg"},
            "THEME_LOGO=/nowhere.svg: the file cannot be read (No such file or directory)",
        ),
        ({"SIGNATURE_FORMAT": "sha1"}, "WINNERR_WEBHOOKS_SIGNATURE_FORMAT='sha1': expected {hex}"),
    ],
)
async def test_a_name_that_cannot_work_stops_the_start(server, settings, says):
    before = dict(server.settings)
    server.settings |= settings
    try:
        code, out, err = await server.command("serve")
    finally:
        server.settings.clear()
        server.settings |= before
    assert (code, out) == (78, "")
    assert says in err
    assert len(err.splitlines()) == 1

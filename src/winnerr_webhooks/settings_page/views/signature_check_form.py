"""Signature check: finds out why a signature does not match, from a pasted request.

What is pasted is neither stored nor logged, and the secret is not shown again.
"""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.ed25519_keys import ED25519
from winnerr_webhooks.domain.errors import NotFound
from winnerr_webhooks.domain.signature_check.signature_checker import (
    SignatureCheck,
    check_signature,
)
from winnerr_webhooks.domain.signature_check.signature_claims import (
    RequestHeaders,
    parse_headers,
    read_headers,
    read_signature,
)
from winnerr_webhooks.domain.signing import KEY_PREFIXES
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.domain.webhook import Webhook
from winnerr_webhooks.ids import is_id
from winnerr_webhooks.settings_page.forms import Form
from winnerr_webhooks.settings_page.page_context import (
    PageContext,
    PageDependency,
    PageRequest,
    form_of,
)

MAX_BODY: Final = 512 * 1024
"""The largest body in bytes: twice the largest payload, so that an indented one fits."""
MAX_FORM: Final = 2 * 1024 * 1024
"""A body of this size as a form has it: most of its characters are three."""
_MAX_TEXT: Final = 16_384
"""The most characters of the headers and of the secret."""
_MOST_BYTES: Final = 16 << 20
"""The work of one check; about a tenth of a second in the renderer's thread."""


class CheckInput(msgspec.Struct, kw_only=True):
    """The values of the form's fields, exactly as they were pasted."""

    body: str = ""
    headers: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        """Nothing of it: what was pasted must not get into logs."""
        return "CheckInput()"


@get("/{webhook:str}/signature-check", admin=True)
async def show_signature_check(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Show an empty form."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    return _answer(page, request, found, CheckInput())


@post("/{webhook:str}/signature-check", status_code=200, request_max_body_size=MAX_FORM)
async def run_signature_check(
    page: PageDependency, request: PageRequest, webhook: FromPath[str]
) -> Response[str]:
    """Check the pasted request, and show what is wrong with it above the form."""
    found = await page.webhooks.get(request.auth.organization, webhook)
    pasted = _read(form_of(request))
    errors = _errors(found, pasted)
    if errors:
        return _answer(page, request, found, pasted, errors=errors)
    async with page.turn(found.organization):
        result = await _check(page, found, pasted)
    return _answer(page, request, found, pasted, result=result)


def _read(form: Form) -> CheckInput:
    """Read the fields without trimming them. Browsers send line breaks of a text area as CRLF."""

    def exact(name: str) -> str:
        return next(iter(form.all(name)), "")

    return CheckInput(
        body=exact("body").replace("\r\n", "\n"),
        headers=exact("headers"),
        secret=exact("secret"),
    )


def _errors(webhook: Webhook, pasted: CheckInput) -> dict[str, str]:
    """The error of each field that is wrong, in the order of the form."""
    errors: dict[str, str] = {}
    if not pasted.body:
        errors["body"] = Text("Paste the body of the request.")
    elif len(pasted.body.encode()) > MAX_BODY:
        errors["body"] = Text("The body is larger than 512 KiB. Use the command verify for it.")
    if not pasted.headers.strip():
        errors["headers"] = Text("Paste the headers of the request, or the signature alone.")
    elif len(pasted.headers) > _MAX_TEXT:
        errors["headers"] = Text("The headers are too long. Paste only those of the signature.")
    is_key = pasted.secret.strip().startswith(KEY_PREFIXES)
    if is_key or (not pasted.secret and webhook.has_secret and webhook.signing == ED25519):
        errors["secret"] = Text(
            "This check is for HMAC, and this is about Ed25519. Verify webhook-signature with an "
            "SDK and the public key of the webhook."
        )
    elif not pasted.secret and not webhook.has_secret:
        errors["secret"] = Text(
            "This webhook has no secret. Enter the one that your receiver uses."
        )
    elif len(pasted.secret) > _MAX_TEXT:
        errors["secret"] = Text("This is too long to be a secret.")
    return errors


async def _check(page: PageContext, webhook: Webhook, pasted: CheckInput) -> SignatureCheck:
    headers = _headers(pasted.headers, page.branding)
    signing, following = await page.storage.secrets(webhook.organization, webhook.id)
    current = following or signing
    sent = None
    if headers.event_id and is_id("evt", headers.event_id):
        event = await page.storage.event(webhook.organization, headers.event_id)
        sent = event.body if event is not None else None
    secret = pasted.secret or current
    if secret is None:  # removed since the form was checked
        raise NotFound(Text("This webhook has no secret any more: its requests are not signed."))
    now = page.now() // 1_000
    return await page.run_in_thread(
        lambda: check_signature(
            body=pasted.body.encode(),
            headers=headers,
            secret=secret,
            current=current,
            previous=signing if following else None,
            sent=sent,
            now=now,
            most_bytes=_MOST_BYTES,
        )
    )


def _headers(text: str, branding: Branding) -> RequestHeaders:
    pairs, signature = parse_headers(text)
    return (
        read_headers(pairs, branding) if signature is None else read_signature(signature, branding)
    )


def _answer(
    page: PageContext,
    request: PageRequest,
    webhook: Webhook,
    pasted: CheckInput,
    *,
    errors: dict[str, str] | None = None,
    result: SignatureCheck | None = None,
) -> Response[str]:
    values: dict[str, Any] = {"webhook": webhook, "pasted": pasted, "result": result}
    return page.answer(
        "signature_check.html",
        request.auth,
        status=422 if errors else 200,
        errors=errors or {},
        header=page.branding.signature_header,
        **values,
    )


ROUTES = (show_signature_check, run_signature_check)

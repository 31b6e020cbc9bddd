"""`/api/v1/organizations/{organizationId}/webhooks`: webhooks and their secrets."""

from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.params import FromPath

from winnerr_webhooks.api.json_body import ApiRequest, decode, read_json, read_raw
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shape_builders import rotation_shape, saved_shape, webhook_shape
from winnerr_webhooks.api.shapes import (
    UNSET,
    DeliveryStarted,
    FilterTestShape,
    PublicKeyShape,
    RotationShape,
    SecretShape,
    UnsetType,
    WebhookList,
    WebhookShape,
)
from winnerr_webhooks.api.versions import etag, wanted_versions
from winnerr_webhooks.management.filter_tests import FilterTestDraft
from winnerr_webhooks.management.webhook_drafts import SecretDraft, WebhookDraft, WebhookPatch


class TestRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to send: an event type, by default the first that the webhook subscribes to, and data.

    Without `data`, the event type's example is sent.
    """

    event: str | None = None
    data: dict[str, Any] | UnsetType = UNSET


class _SentData(msgspec.Struct):
    """The data exactly as it was sent: digits and the order of keys stay."""

    data: msgspec.Raw | UnsetType = UNSET


class WebhookRoutes(Controller):
    """Manages webhooks. The owner of a webhook is checked before the body is read."""

    path = "/webhooks"

    @post()
    async def create(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> Response[WebhookShape]:
        """Create a webhook, which gets events at once."""
        draft = await read_json(request, WebhookDraft)
        saved = await services.webhooks.create(organization, draft)
        return Response(saved_shape(saved, services.catalog), headers=etag(saved.webhook))

    @get()
    async def get_all(
        self, services: ServicesDependency, organization: FromPath[str]
    ) -> WebhookList:
        """List an organization's webhooks."""
        webhooks = await services.webhooks.list(organization)
        return WebhookList(items=[webhook_shape(webhook, services.catalog) for webhook in webhooks])

    @post("/filter-test", status_code=200)
    async def test_filter(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> FilterTestShape:
        """Test a filter over the last events."""
        draft = await read_json(request, FilterTestDraft)
        result = await services.webhooks.test_filter(organization, draft)
        return FilterTestShape(
            tested=result.tested,
            matched=result.matched,
            examples=tuple(one.id for one in result.examples),
        )

    @get("/{webhook:str}")
    async def get_one(
        self, services: ServicesDependency, organization: FromPath[str], webhook: FromPath[str]
    ) -> Response[WebhookShape]:
        """Get one webhook."""
        found = await services.webhooks.get(organization, webhook)
        return Response(webhook_shape(found, services.catalog), headers=etag(found))

    @patch("/{webhook:str}")
    async def change(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        webhook: FromPath[str],
    ) -> Response[WebhookShape]:
        """Change a webhook."""
        await services.webhooks.get(organization, webhook)
        webhook_patch = await read_json(request, WebhookPatch)
        saved = await services.webhooks.change(
            organization, webhook, webhook_patch, versions=wanted_versions(request)
        )
        return Response(saved_shape(saved, services.catalog), headers=etag(saved.webhook))

    @delete("/{webhook:str}")
    async def remove(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        webhook: FromPath[str],
    ) -> None:
        """Delete a webhook."""
        await services.webhooks.get(organization, webhook)
        versions = wanted_versions(request)
        await services.webhooks.delete(organization, webhook, versions=versions)

    @get("/{webhook:str}/secret")
    async def secret(
        self, services: ServicesDependency, organization: FromPath[str], webhook: FromPath[str]
    ) -> SecretShape | PublicKeyShape:
        """Reveal the secret, or the public key."""
        await services.webhooks.get(organization, webhook)
        key = await services.webhooks.public_key(organization, webhook)
        if key is not None:
            return PublicKeyShape(public_key=key)
        return SecretShape(secret=await services.webhooks.reveal_secret(organization, webhook))

    @put("/{webhook:str}/secret")
    async def set_secret(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        webhook: FromPath[str],
    ) -> RotationShape:
        """Set or rotate the secret."""
        await services.webhooks.get(organization, webhook)
        draft = await read_json(request, SecretDraft, empty=b"{}")
        return rotation_shape(await services.webhooks.set_secret(organization, webhook, draft))

    @delete("/{webhook:str}/secret")
    async def remove_secret(
        self, services: ServicesDependency, organization: FromPath[str], webhook: FromPath[str]
    ) -> None:
        """Remove the secret."""
        await services.webhooks.get(organization, webhook)
        await services.webhooks.remove_secret(organization, webhook)

    @post("/{webhook:str}/test", status_code=202)
    async def test(
        self,
        services: ServicesDependency,
        request: ApiRequest,
        organization: FromPath[str],
        webhook: FromPath[str],
    ) -> DeliveryStarted:
        """Send a test event."""
        target = await services.webhooks.get(organization, webhook)
        raw = await read_raw(request) or b"{}"
        body = decode(raw, TestRequest)
        data = msgspec.json.decode(raw, type=_SentData).data
        return DeliveryStarted(
            delivery_id=await services.webhooks.send_test(
                target, body.event, None if data is UNSET else bytes(data)
            )
        )

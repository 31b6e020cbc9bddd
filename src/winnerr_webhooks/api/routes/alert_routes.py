"""`/api/v1/organizations/{organizationId}/alerts`: what an organization is told by mail."""

from typing import Annotated

import msgspec
from litestar import Controller, get, put
from litestar.params import FromPath

from winnerr_webhooks.api.json_body import ApiRequest, read_json
from winnerr_webhooks.api.services import ServicesDependency
from winnerr_webhooks.api.shapes import Shape
from winnerr_webhooks.domain.alerts import OPERATIONAL_EVENTS, AlertSettings
from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.management.alert_management import AlertDraft, check_alert_settings

_Event = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(OPERATIONAL_EVENTS)})]
_Language = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(LANGUAGES)})]


class AlertsShape(Shape):
    """What an organization is told by mail, and where. `language` null: DEFAULT_LANGUAGE."""

    emails: list[str]
    events: list[_Event]
    language: _Language | None


class AlertRoutes(Controller):
    """Reads and sets it."""

    path = "/alerts"

    @get()
    async def show(self, services: ServicesDependency, organization: FromPath[str]) -> AlertsShape:
        """Show what an organization is told."""
        return _shape(await services.alerts.get(organization))

    @put()
    async def set(
        self, services: ServicesDependency, request: ApiRequest, organization: FromPath[str]
    ) -> AlertsShape:
        """Set what an organization is told."""
        draft = await read_json(request, AlertDraft)
        settings = check_alert_settings(draft)
        await services.alerts.put(organization, settings)
        return _shape(settings)


def _shape(settings: AlertSettings) -> AlertsShape:
    return AlertsShape(
        emails=list(settings.emails), events=list(settings.events), language=settings.language
    )

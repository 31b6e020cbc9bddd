"""The demo's webhooks. The first run creates them through the API, and later runs reuse them."""

from typing import Any

from winnerr_webhooks.cli.demo.demo_api import DemoApi

WEBHOOKS = {
    "crm-mirror": ("CRM mirror", ["*"]),
    "team-chat": (
        "Team chat",
        [
            "contact.created",
            "deal.stage_changed",
            "deal.closed_won",
            "call.missed",
            "task.overdue",
            "email.bounced",
            "workflow.failed",
        ],
    ),
    "warehouse": (
        "Data warehouse",
        [
            "deal.created",
            "deal.closed_won",
            "deal.closed_lost",
            "call.completed",
            "email.opened",
            "workflow.step_completed",
        ],
    ),
}
"""Path of the receiver -> (description of the webhook, its events)."""


async def ensure_webhooks(api: DemoApi, port: int) -> dict[str, str]:
    """Point each webhook to the receiver's port, and create missing ones; return path -> secret."""
    webhooks = await api.get(f"{api.organization_path}/webhooks")
    known = {webhook["description"]: webhook for webhook in webhooks["items"]}
    secrets = {}
    for path, (description, events) in WEBHOOKS.items():
        url = f"http://127.0.0.1:{port}/{path}"
        if description in known:
            secrets[path] = await _reuse(api, known[description], url)
        else:
            new = {"url": url, "events": events, "description": description, "generateSecret": True}
            webhook = await api.send("POST", f"{api.organization_path}/webhooks", new)
            secrets[path] = webhook["secret"]
    return secrets


async def _reuse(api: DemoApi, webhook: dict[str, Any], url: str) -> str:
    path = f"{api.organization_path}/webhooks/{webhook['id']}"
    await api.send("PATCH", path, {"url": url, "status": "active"})
    secret: str = (await api.get(f"{path}/secret"))["secret"]
    return secret

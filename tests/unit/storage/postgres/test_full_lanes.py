"""Webhooks without room: which of them an accept names to PostgreSQL."""

from typing import Any

from winnerr_webhooks.storage.postgres.postgres_session import PostgresSession
from winnerr_webhooks.storage.road_values import LeaseTerms


async def test_an_event_names_no_webhooks_of_other_organizations(world, monkeypatch) -> None:
    """Five thousand webhooks that a provider holds made every event of everybody slower."""
    sent: list[Any] = []
    fetch = PostgresSession.fetch

    async def noted(session: PostgresSession, name: str, /, *values: Any, **named: Any) -> Any:
        if name == "accept":
            sent.extend(values)
        return await fetch(session, name, *values, **named)

    monkeypatch.setattr(PostgresSession, "fetch", noted)
    full, roomy = await world.webhook(), await world.webhook()
    held = frozenset(f"wh_{number}" for number in range(5_000))
    terms = LeaseTerms(seconds=60, full={"org_1": frozenset((full.id,)), "org_2": held})
    (answer,) = await world.accept(lease=terms)
    assert [one.webhook_id for one in answer.leased] == [roomy.id]
    assert [full.id] in sent
    assert max(len(one) for one in sent if isinstance(one, list)) == 1

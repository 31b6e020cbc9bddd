"""Known filters: what a node remembers of them, and for how long."""

import json

from winnerr_webhooks.storage.postgres import known_filters
from winnerr_webhooks.storage.postgres.known_filters import KnownFilters


def test_a_batch_of_more_organizations_than_are_kept_is_judged_whole(world, monkeypatch):
    monkeypatch.setattr(known_filters, "MOST_ORGANIZATIONS", 2)
    filters = KnownFilters()
    events = [world.event(organization=f"org_{number}") for number in range(4)]
    text = '{"event":"contact.created"}'
    filters.learn((event.organization, f"wh_{event.organization}", text) for event in events)

    known, passed = filters.judge(events)
    assert len(json.loads(known)) == 4
    assert json.loads(passed).keys() == {
        f"{at} wh_{one.organization}" for at, one in enumerate(events, 1)
    }

    filters.forget_oldest()
    known, _ = filters.judge(events)
    assert json.loads(known).keys() == {"wh_org_2", "wh_org_3"}

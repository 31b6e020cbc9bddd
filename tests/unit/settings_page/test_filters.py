"""The filters of the log as a query string."""

from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.settings_page.filters import read_filters

NOW = 1_800_000_000_000
DAY = 86_400_000


def test_filters_survive_a_round_trip_through_the_url():
    text = "event=deal.created&status=5XX&q=a+b%26c&time=24h&unknown=1"
    filters = read_filters(text, CATALOG)
    assert filters.query() == "?event=deal.created&status=5XX&time=24h&q=a+b%26c"
    assert filters.query(event="", status="", time="", q="") == ""
    query = filters.log_filter("org_1", NOW)
    assert query.status == (500, 599)
    assert query.since == NOW - DAY
    assert read_filters(filters.query()[1:], CATALOG) == filters


def test_an_event_type_that_left_the_catalogue_can_be_looked_for():
    own = Catalog((EventType(name="a.b", category="x", description="x", example=b"{}"),))
    assert read_filters("event=a.c", own).errors
    own.replace(Catalog((EventType(name="a.d", category="x", description="x", example=b"{}"),)))
    assert read_filters("event=a.b", own).errors == {}
    assert read_filters("event=a.c", own).errors

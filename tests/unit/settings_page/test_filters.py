"""The filters of the log as a query string."""

from winnerr_webhooks.domain.catalog import Catalog, EventType
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.settings_page.event_choices import logged_choices
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


def test_seconds_have_a_decimal_point_or_comma():
    for text in ("slower=0.5", "slower=0,5"):
        assert read_filters(text, CATALOG).log_filter("org_1", NOW).slower_than == 500
    for text in ("slower=1,000", "slower=1.000"):
        assert read_filters(text, CATALOG).errors  # it could be a thousand


def test_an_event_type_that_left_the_catalogue_can_be_looked_for():
    own = Catalog((EventType(name="a.b", category="x", description="x", example=b"{}"),))
    assert read_filters("event=a.c", own).errors
    assert read_filters("event=b.*", own).errors
    own.replace(Catalog((EventType(name="a.d", category="x", description="x", example=b"{}"),)))
    assert read_filters("event=a.b", own).errors == {}
    assert read_filters("event=a.*", own).errors == {}
    assert read_filters("event=a.c", own).errors


def test_a_pattern_of_events_can_be_looked_for_and_a_mistaken_one_is_corrected():
    assert read_filters("event=deal.*", CATALOG).log_filter("org_1", NOW).event == "deal.*"
    found = read_filters("event=deel.*", CATALOG)
    assert str(found.errors["event"]) == "There is no event deel.*. Did you mean deal.*?"
    for text in ("*", "deal*", "de*.*", ".*"):
        assert "event" in read_filters(f"event={text}", CATALOG).errors, text


def test_the_choice_of_events_has_patterns_and_what_left_the_catalogue():
    choices = logged_choices(CATALOG, read_filters("event=deal.*", CATALOG))
    assert all(category for category, _ in choices)
    (of_deals,) = [names for _, names in choices if "deal.created" in names]
    assert of_deals[0] == "deal.*"
    own = Catalog((EventType(name="a.b", category="x", description="x", example=b"{}"),))
    own.replace(Catalog((EventType(name="a.d", category="x", description="x", example=b"{}"),)))
    assert logged_choices(own, read_filters("event=a.b", own)) == [("x", ["a.d"]), ("", ["a.b"])]
    assert logged_choices(own, read_filters("event=b.c", own)) == [("x", ["a.d"])]

"""Times, sizes, counts, ids and bytes as people read them."""

import pytest

from winnerr_webhooks.settings_page import formatting
from winnerr_webhooks.settings_page.languages import load_language

ENGLISH = load_language("en")
NOW = 1_800_000_000_000
DAY = 86_400_000


@pytest.mark.parametrize(
    ("away", "text"),
    [
        (0, "now"),
        (-5_000, "5 s ago"),
        (-119_000, "1 min ago"),
        (240_000, "in 4 min"),
        (-3 * 3_600_000, "3 h ago"),
        (-2 * DAY, "2 d ago"),
        (-30 * DAY, "16 Dec 2026"),
        (-7 * DAY, "8 Jan"),
    ],
)
def test_relative_times_are_short(away, text):
    assert formatting.relative(ENGLISH, NOW + away, NOW) == text


def test_a_date_of_another_year_has_its_year():
    new_year = 1_798_761_600_000
    assert formatting.clock_time(ENGLISH, new_year, NOW) == "1 Jan, 00:00"
    assert formatting.clock_time(ENGLISH, new_year - 60_000, NOW) == "31 Dec 2026, 23:59"
    assert not formatting.is_of_another_year(new_year, NOW)
    assert formatting.is_of_another_year(new_year - 1, NOW)


def test_a_relative_time_has_the_exact_time_as_its_title():
    tag = formatting.ago(ENGLISH, NOW - 5_123, NOW)
    assert 'datetime="2027-01-15T07:59:54.877Z"' in tag
    assert "15 Jan 2027, 07:59:54.877 UTC" in tag


def test_the_ends_of_intervals_have_no_seconds():
    assert "08:00</time>" in formatting.minute(ENGLISH, NOW, NOW)
    assert "14 Jan, 08:00</time>" in formatting.minute(ENGLISH, NOW - DAY, NOW)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "\u2013"), (0.42, "0.4 ms"), (84.2, "84 ms"), (999.6, "1.0 s"), (2_096, "2.1 s"),
     (59_990, "1 min"), (65_000, "1 min 5 s")],
)  # fmt: skip
def test_durations_are_rounded_to_what_matters(ms, text):
    assert formatting.duration(ENGLISH, ms) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.9999, "99.9%"), (0.0001, "0.1%"), (0.12, "12%")],
)
def test_0_and_100_percent_are_exact(fraction, text):
    assert formatting.percent(ENGLISH, fraction) == text


def test_sizes_counts_ids_and_urls_are_short():
    assert [formatting.size(ENGLISH, n) for n in (1, 312, 1_536, 16_384, 5 << 20)] == [
        "1 byte", "312 bytes", "1.5 KiB", "16 KiB", "5.0 MiB",
    ]  # fmt: skip
    assert formatting.pluralize(1, "delivery", "deliveries") == "1 delivery"
    assert formatting.pluralize(1_204, "delivery", "deliveries") == "1,204 deliveries"
    assert formatting.short_id("att_01kan5abcdefghijkl0123456z") == "att_01kan5…23456z"
    assert formatting.short_url("https://hooks.example.com/") == "hooks.example.com"


def test_what_cannot_be_seen_is_named_and_stays_what_it_was():
    assert formatting.visible(b"<a>\r\n\tb\xff") == "&lt;a&gt;&#13;\n\tb\ufffd"
    assert formatting.visible("\u202eevil".encode()) == (
        '<span class="code-point" data-code="U+202E">\u202e</span>evil'
    )
    for code in (0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x2066, 0x2028, 0xFEFF, 0xE0041):
        marked = formatting.visible(f"a{chr(code)}b")
        assert f'data-code="U+{code:04X}">{chr(code)}</span>b' in marked
    assert 'data-code="U+000D">&#13;<' in formatting.visible("a\rb")
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # Persian, with a joiner
    assert formatting.visible(joined) == joined

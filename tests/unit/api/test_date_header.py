"""The Date header: right for the answer's second, and formatted once a second only."""

from email.utils import parsedate_to_datetime

from winnerr_webhooks.api.http.date_header import DateHeader


def test_the_line_follows_the_clock_also_when_it_is_set_back() -> None:
    now_ms = 1_767_225_599_999
    header = DateHeader(lambda: now_ms)
    assert header.line() == b"date: Wed, 31 Dec 2025 23:59:59 GMT\r\n"
    now_ms += 1
    assert header.line() == b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    now_ms -= 60_000
    value = header.line().decode().removeprefix("date: ").rstrip()
    assert parsedate_to_datetime(value).minute == 59


def test_answers_of_one_second_share_a_line() -> None:
    now_ms = 1_767_225_600_000
    header = DateHeader(lambda: now_ms)
    first = header.line()
    now_ms += 999
    assert header.line() is first

"""Where received bytes are cut before they are parsed."""

import pytest

from winnerr_webhooks.api.parts import PART, holds_one, part_end, without_upgrade

HEAD = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (HEAD, True),
        (HEAD + b"{}", True),
        (b"}" + HEAD + b"{}", True),
        (HEAD + b"{}" + HEAD, False),
        (HEAD + b"{}GET / HTTP/1.1\r", False),
        (HEAD + b"{\r\n}", False),
        (HEAD[:-1], False),
        (b"GET /" + b"a" * 100, False),
    ],
)
def test_one_whole_head_is_told_from_more_and_from_less(data, is_one):
    assert holds_one(data) is is_one


def test_between_requests_little_is_taken():
    assert part_end(HEAD * 100, 0, most=None) == PART


def test_a_body_is_taken_up_to_a_blank_line_that_may_end_a_next_head():
    body = b"x" * 5000
    assert part_end(body + b"\r" + body + HEAD * 9, 0, most=70_000) == 10_001 + len(HEAD)


def test_of_what_has_no_blank_line_as_much_is_taken_as_may_be():
    data = b"x\r\n" * 100_000
    assert part_end(data, 7, most=70_000) == 7 + 16 * 1024
    assert part_end(data, 7, most=10) == 17


def test_a_head_without_its_upgrade_keeps_all_else():
    headers = [
        (b"host", b"a"), (b"connection", b"Upgrade, HTTP2-Settings ,keep-alive"),
        (b"upgrade", b"h2c"), (b"x", b""), (b"connection", b"upgrade"), (b"content-length", b"2"),
    ]  # fmt: skip
    assert without_upgrade(b"PUT", b"/a?b", "1.0", headers) == (
        b"PUT /a?b HTTP/1.0\r\nhost: a\r\nconnection: HTTP2-Settings, keep-alive\r\nx: \r\n"
        b"connection: \r\ncontent-length: 2\r\n\r\n"
    )

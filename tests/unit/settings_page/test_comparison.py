"""Two attempts side by side: headers by name, bodies by line."""

from winnerr_webhooks.settings_page.comparison import MAX_LINES, compare_headers, compare_lines


def told(rows):
    return [(row.name, row.left, row.right, row.differs) for row in rows]


def test_headers_are_compared_by_name_in_the_order_of_the_first():
    left = [("Host", "a"), ("X-Attempt", "1"), ("via", "one"), ("via", "two")]
    right = [("host", "a"), ("X-Attempt", "2"), ("Retry-After", "5")]
    assert told(compare_headers(left, right)) == [
        ("Host", "a", "a", False),
        ("X-Attempt", "1", "2", True),
        ("via", "one\ntwo", None, True),
        ("Retry-After", None, "5", True),
    ]


def test_lines_that_are_the_same_stand_beside_each_other():
    lines = compare_lines("{\n a\n b\n}", "{\n b\n c\n}")
    assert [(row.left, row.right) for row in lines.rows] == [
        ("{", "{"),
        (" a", None),
        (" b", " b"),
        (None, " c"),
        ("}", "}"),
    ]
    assert lines.differ
    assert not compare_lines("same\ntext", "same\ntext").differ
    assert compare_lines("", "").rows == []


def test_long_texts_are_compared_up_to_a_limit():
    text = "\n".join(str(number) for number in range(MAX_LINES + 1))
    lines = compare_lines(text, text)
    assert lines.is_cut
    assert len(lines.rows) == MAX_LINES
    assert not compare_lines(text.rpartition("\n")[0], "").is_cut

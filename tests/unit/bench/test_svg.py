"""Plots are well-formed, stay within their frame, and say their numbers."""

import xml.etree.ElementTree as ET

import pytest
from bench.svg import WIDTH, Bar, Line, bars, lines, number

NAME = "{http://www.w3.org/2000/svg}"
AWKWARD = "a <b> & \"c\" of 'd'"


def parsed(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == f"{NAME}svg"
    height = float(root.attrib["height"])
    for shape in root.iter():
        for key, limit in (("x", WIDTH), ("cx", WIDTH), ("y", height), ("cy", height)):
            assert 0 <= float(shape.attrib.get(key, 0)) <= limit
    return root


def texts(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{NAME}text")]


@pytest.mark.parametrize("log", [False, True])
def test_bars_are_as_long_as_their_values_and_say_them(log):
    root = parsed(bars(AWKWARD, [Bar(AWKWARD, 10.0), Bar("twice", 20.0, 1)], "µs", log=log))
    first, second = [r for r in root.iter(f"{NAME}rect") if "rx" in r.attrib]
    assert float(first.attrib["width"]) * 2 == pytest.approx(float(second.attrib["width"]), 0.01)
    assert {AWKWARD, "twice", "10.0", "20.0"} <= set(texts(root))


@pytest.mark.parametrize("rows", [[], [Bar("none", 0.0)], [Bar("one", 1.0), Bar("none", 0.0)]])
def test_bars_of_nothing_are_a_plot_all_the_same(rows):
    assert "title" in texts(parsed(bars("title", rows, "unit")))
    assert "title" in texts(parsed(bars("title", rows, "unit", log=True)))


def test_lines_run_through_their_points_from_zero_up():
    series = [Line(AWKWARD, [(1, 0.0), (10, 50.0), (100, 100.0)]), Line("flat", [(1, 100.0)])]
    root = parsed(lines("title", series, "x", "y", log_x=True))
    path = next(root.iter(f"{NAME}polyline")).attrib["points"].split()
    (x1, y1), (x2, y2), (x3, y3) = (map(float, point.split(",")) for point in path)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)  # each a power of ten further
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert {AWKWARD, "flat", "0", "100", "1", "10"} <= set(texts(root))


def test_a_single_point_is_a_plot():
    assert "5" in texts(parsed(lines("title", [Line("one", [(5, 1.0)])], "x", "y")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (84.06, "84.1"), (0.6149, "0.615"), (3.0, "3.00"), (999.6, "1,000"),
        (1234.5, "1,234"), (12_345, "12,300"), (-5.2, "-5.20"), (0.00123, "0.00123"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits_that_count(value, text):
    assert number(value) == text

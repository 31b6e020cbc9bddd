"""Plots as small SVG files, readable on light and on dark pages: bars, and lines."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 720
FONT = "font-family='system-ui,sans-serif' font-size='13'"
STYLE = """
.ground{fill:#fff}.ink{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}
.f0{fill:#2f6fd0}.f1{fill:#c2570c}.f2{fill:#1a7f5a}.f3{fill:#8250df}
.s0{stroke:#2f6fd0}.s1{stroke:#c2570c}.s2{stroke:#1a7f5a}.s3{stroke:#8250df}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117}.ink{fill:#f0f6fc}.faint{fill:#9198a1}.grid{stroke:#3d444d}
.f0{fill:#6ea8fe}.f1{fill:#f0883e}.f2{fill:#4ac39b}.f3{fill:#b794f6}
.s0{stroke:#6ea8fe}.s1{stroke:#f0883e}.s2{stroke:#4ac39b}.s3{stroke:#b794f6}}
"""
COLOURS = 4
ROW, LABEL, VALUE = 26, 290, 80
PLOT_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 260, 70, 44, 74, 46


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    group: int = 0
    """Bars of one group have one colour."""


@dataclass(frozen=True)
class Line:
    label: str
    points: Sequence[tuple[float, float]]


def number(value: float) -> str:
    """Three significant digits, thousands separated: 12,300, 84.1, 0.61."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    if digits == 0:
        return f"{round(value):,}" if abs(value) < 10_000 else f"{round(value, -2):,.0f}"
    return f"{value:.{digits}f}"


def bars(title: str, rows: Sequence[Bar], unit: str, *, log: bool = False) -> str:
    """Horizontal bars under each other, each with its label and its value."""
    height = 58 + ROW * len(rows) + 12
    room = WIDTH - LABEL - VALUE
    values = [row.value for row in rows if row.value > 0]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    parts = _heading(title, unit + (", logarithmic" if log else ""))
    for index, row in enumerate(rows):
        y = 58 + ROW * index
        if log and row.value > 0:
            share = _share(row.value, low / 2, high, log=True)
        else:
            share = row.value / high
        width = max(share * room, 1.0)
        parts.append(
            f"<text class='ink' x='{LABEL - 10}' y='{y + 15}' text-anchor='end'>"
            f"{escape(row.label)}</text>"
            f"<rect class='f{row.group % COLOURS}' x='{LABEL}' y='{y + 2}' width='{width:.1f}' "
            f"height='{ROW - 8}' rx='2'/>"
            f"<text class='ink' x='{LABEL + width + 6:.1f}' y='{y + 15}'>{number(row.value)}</text>"
        )
    return _document(title, height, parts)


def lines(
    title: str,
    series: Sequence[Line],
    x_name: str,
    y_name: str,
    *,
    log_x: bool = False,
) -> str:
    """Lines over a common axis, from zero up, each named in the legend."""
    xs = [x for line in series for x, _ in line.points]
    top = _round_up(max((y for line in series for _, y in line.points), default=1.0))
    height = TOP + PLOT_HEIGHT + BOTTOM
    room = WIDTH - LEFT - RIGHT

    def across(x: float) -> float:
        return LEFT + room * _share(x, min(xs), max(xs), log=log_x)

    def up(y: float) -> float:
        return TOP + PLOT_HEIGHT * (1 - y / top)

    parts = _heading(title, y_name) + _legend(series) + _y_axis(top, up)
    parts += _x_axis(sorted(set(xs)), across, x_name, log=log_x)
    for index, line in enumerate(series):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line.points)
        colour = index % COLOURS
        parts.append(f"<polyline class='s{colour}' fill='none' stroke-width='2' points='{path}'/>")
        if len(line.points) <= 12:
            parts += [
                f"<circle class='f{colour}' cx='{across(x):.1f}' cy='{up(y):.1f}' r='3'/>"
                for x, y in line.points
            ]
    return _document(title, height, parts)


def _document(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"height='{height}' role='img' {FONT}><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><rect class='ground' width='100%' height='100%'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _heading(title: str, below: str) -> list[str]:
    return [
        (
            "<text class='ink' x='16' y='24' font-size='15' font-weight='600'>"
            f"{escape(title)}</text>"
            f"<text class='faint' x='16' y='44'>{escape(below)}</text>"
        )
    ]


def _legend(series: Sequence[Line]) -> list[str]:
    parts, x = [], LEFT
    for index, line in enumerate(series):
        parts.append(
            f"<rect class='f{index % COLOURS}' x='{x}' y='54' width='12' height='4'/>"
            f"<text class='ink' x='{x + 18}' y='61'>{escape(line.label)}</text>"
        )
        x += 36 + 7 * len(line.label)
    return parts


def _y_axis(top: float, up: Callable[[float], float]) -> list[str]:
    return [
        f"<line class='grid' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{up(y):.1f}' y2='{up(y):.1f}'/>"
        f"<text class='faint' x='{LEFT - 8}' y='{up(y) + 4:.1f}' text-anchor='end'>{number(y)}"
        "</text>"
        for y in (top * step / 4 for step in range(5))
    ]


def _x_axis(
    xs: Sequence[float], across: Callable[[float], float], name: str, *, log: bool
) -> list[str]:
    ticks = xs if log else [xs[0] + (xs[-1] - xs[0]) * step / 4 for step in range(5)]
    y = TOP + PLOT_HEIGHT + 18
    parts = [
        f"<text class='faint' x='{across(x):.1f}' y='{y}' text-anchor='middle'>{_tick(x)}</text>"
        for x in ticks
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [
        *parts,
        f"<text class='faint' x='{middle}' y='{y + 19}' text-anchor='middle'>{escape(name)}</text>",
    ]


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def _share(value: float, low: float, high: float, *, log: bool) -> float:
    if high == low:
        return 0.5
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6 or 8 times a power of ten; a quarter of it is a short number."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)

"""Charts as inline SVG. They use attributes and classes, because the CSP allows no inline style."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.domain.text import Text
from winnerr_webhooks.settings_page import formatting
from winnerr_webhooks.settings_page.languages import Language

_DNS: Final = Text("DNS")
_CONNECT: Final = Text("connect")
_TLS: Final = Text("TLS")
_SENDING: Final = Text("sending")
_WAITING: Final = Text("waiting")
_ANSWER: Final = Text("answer")
_GAP: Final = 1.0
_MIN_SIZE: Final = 1.5
"""The least width or height of a bar, so that even the smallest value is visible."""


class Bar(NamedTuple):
    """The attempts in one interval of time."""

    succeeded: int
    failed: int


class Phase(NamedTuple):
    """A phase of an attempt and how long it took."""

    name: str
    kind: str
    """The suffix of its CSS class, `phase-…`, in the chart and in the legend."""
    ms: float


def sparkline(bars: Sequence[Bar], *, width: int, height: int, label: str) -> Markup:
    """A chart of stacked bars with failures at the bottom. An empty interval is a thin line."""
    step = width / max(len(bars), 1)
    largest = max((bar.succeeded + bar.failed for bar in bars), default=0)
    rects = _Rects()
    for index, bar in enumerate(bars):
        x = index * step
        total = bar.succeeded + bar.failed
        if not total:
            rects.add("none", x, height - 1, step - _GAP, 1)
            continue
        # The square root keeps a quiet interval visible beside a busy one.
        bar_height = max(_MIN_SIZE, (height - 1) * math.sqrt(total / largest))
        failed = max(_MIN_SIZE, bar_height * bar.failed / total) if bar.failed else 0.0
        if bar.succeeded:
            top = height - bar_height
            rects.add("ok", x, top, step - _GAP, max(bar_height - failed, 0))
        if failed:
            rects.add("bad", x, height - failed, step - _GAP, failed)
    return Markup(
        '<svg class="chart" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(label, width, height, width, height, rects.markup())


def stacked(series: Sequence[Sequence[float]], kinds: Sequence[str], *, label: str) -> Markup:
    """A chart of stacked bars, the first series at the bottom, on a linear scale.

    `series` has a list for each colour, with a value for each bar; `kinds` the suffixes of the
    classes `series-…`. The highest bar fills the chart.
    """
    totals = [sum(column) for column in zip(*series, strict=True)] or [0.0]
    largest = highest_bar(series)
    step = _CHART_WIDTH / len(totals)
    rects = _Rects()
    for index, total in enumerate(totals):
        x, top = index * step, float(_CHART_HEIGHT)
        if not total:
            rects.add("none", x, _CHART_HEIGHT - 1, step - _GAP, 1)
            continue
        # Where a sliver would be less than one can see, it takes a little from the others.
        wanted = [
            max(_MIN_SIZE, _CHART_HEIGHT * values[index] / largest) if values[index] else 0.0
            for values in series
        ]
        shrink = min(1.0, _CHART_HEIGHT / sum(wanted))
        for kind, height in zip(kinds, wanted, strict=True):
            if height:
                top -= height * shrink
                rects.add(f"series-{kind}", x, top, step - _GAP, height * shrink)
    return _chart([rects.markup()], label)


def lines(series: Sequence[Sequence[float | None]], kinds: Sequence[str], *, label: str) -> Markup:
    """A chart of durations, a line each, on a logarithmic scale; None interrupts a line.

    The scale begins at the shortest and ends at the longest of them.
    """
    low, high = map(math.log, scale_ends(series) or (1.0, 1.0))
    bars = max((len(values) for values in series), default=0)
    step = _CHART_WIDTH / max(bars, 1)
    room = _CHART_HEIGHT - 2 * _LINE_MARGIN
    parts = [_rect(0, _CHART_HEIGHT - 1, _CHART_WIDTH, 1, "none")]
    for kind, values in zip(kinds, series, strict=True):
        for first, run in _runs(values):
            heights = [
                _LINE_MARGIN + room * (1 - (math.log(ms) - low) / ((high - low) or 1.0))
                for ms in run
            ]
            points = [(float(first + place), y) for place, y in enumerate(heights)]
            if len(points) == 1:  # a line of one point would not be seen
                points = [(first - 0.3, heights[0]), (first + 0.3, heights[0])]
            path = " ".join(f"{(place + 0.5) * step:.1f},{y:.1f}" for place, y in points)
            parts.append(Markup('<polyline class="line-{}" points="{}"/>').format(kind, path))
    return _chart(parts, label)


def highest_bar(series: Sequence[Sequence[float]]) -> float:
    """The value of the highest bar of `stacked`, which fills the chart; 0 without values."""
    return max((sum(column) for column in zip(*series, strict=True)), default=0.0)


def scale_ends(series: Sequence[Sequence[float | None]]) -> tuple[float, float] | None:
    """The shortest and the longest duration of `lines`: the ends of its scale; None without any."""
    known = [value for values in series for value in values if value]
    return (min(known), max(known)) if known else None


_CHART_WIDTH: Final = 480
_CHART_HEIGHT: Final = 96
_LINE_MARGIN: Final = 4


def _runs(values: Sequence[float | None]) -> list[tuple[int, list[float]]]:
    """The stretches of values without a gap, each with the place of its first."""
    runs: list[tuple[int, list[float]]] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == place:
            runs[-1][1].append(value)
        else:
            runs.append((place, [value]))
    return runs


def _chart(parts: Sequence[Markup], label: str) -> Markup:
    return Markup(
        '<svg class="chart wide" role="img" aria-label="{}" viewBox="0 0 {} {}" height="{}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(label, _CHART_WIDTH, _CHART_HEIGHT, _CHART_HEIGHT, Markup("").join(parts))


def duration_bar(ms: float, longest_ms: float, outcome: str) -> Markup:
    """How long an attempt took, relative to the longest it may take."""
    fraction = min(1.0, math.sqrt(ms / longest_ms)) if longest_ms else 1.0
    kind = "bad" if outcome == "failed" else "ok"
    width = max(_MIN_SIZE, 56 * fraction)
    return Markup(  # noqa: S704  a number and one of two fixed words
        f'<svg class="bar {kind}" aria-hidden="true" width="{width:.1f}" height="8"></svg>'
    )


def phases(attempt: LoggedAttempt) -> list[Phase]:
    """The phases of an attempt, in order.

    The time after the first byte is the phase `answer`. An attempt without an answer spent its
    remaining time in the phase in which it failed.
    """
    timings = attempt.timings
    found = [
        Phase(name, kind, ms)
        for name, kind, ms in (
            (_DNS, "dns", timings.dns_ms),
            (_CONNECT, "connect", timings.connect_ms),
            (_TLS, "tls", timings.tls_ms),
            (_WAITING, "wait", timings.first_byte_ms),
        )
        if ms is not None
    ]
    rest = attempt.duration_ms - sum(phase.ms for phase in found)
    if rest > 0.05:  # noqa: PLR2004  less is a rounding error
        if attempt.status is None:
            name = _PHASE_OF_FAILURE.get(attempt.error_phase, _WAITING)
        else:
            name = _ANSWER
        index = next((i for i, phase in enumerate(found) if phase.name == name), None)
        if index is None:
            found.append(Phase(name, _KIND[name], rest))
        else:
            found[index] = found[index]._replace(ms=found[index].ms + rest)
    return found


_PHASE_OF_FAILURE: Final = {"dns": _DNS, "connect": _CONNECT, "tls": _TLS, "send": _SENDING}
"""The phase shown for an attempt without an answer, by the phase of its failure."""
_KIND: Final = {
    _DNS: "dns",
    _CONNECT: "connect",
    _TLS: "tls",
    _SENDING: "wait",
    _WAITING: "wait",
    _ANSWER: "body",
}


def timeline(
    attempt: LoggedAttempt, *, language: Language, width: int = 640, height: int = 16
) -> Markup:
    """The phases of an attempt in a row, each as wide as it was long but always visible."""
    found = phases(attempt)
    total = sum(phase.ms for phase in found) or 1.0
    widths = [max(_MIN_SIZE * 2, width * phase.ms / total) for phase in found]
    scale = (width - _GAP * max(len(found) - 1, 0)) / (sum(widths) or 1.0)
    parts, x = [], 0.0
    for phase, phase_width in zip(found, widths, strict=True):
        parts.append(_rect(x, 0, phase_width * scale, height, f"phase-{phase.kind}"))
        x += phase_width * scale + _GAP
    names = (
        f"{language.translate(phase.name)} {formatting.duration(language, phase.ms)}"
        for phase in found
    )
    total_time = formatting.duration(language, attempt.duration_ms)
    label = language.say("{phases}; {total} in total", phases=", ".join(names), total=total_time)
    return Markup(
        '<svg class="timeline" role="img" aria-label="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none" height="{}">{}</svg>'
    ).format(
        label,
        width,
        height,
        height,
        Markup("").join(parts),
    )


class _Rects:
    """Rectangles of a chart, by class: a path for each, because a browser keeps every element."""

    def __init__(self) -> None:
        self._paths: dict[str, list[str]] = {}

    def add(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        self._paths.setdefault(kind, []).append(
            f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"
        )

    def markup(self) -> Markup:
        return Markup("").join(
            Markup('<path class="{}" d="{}"/>').format(kind, "".join(paths))
            for kind, paths in self._paths.items()
        )


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return Markup(  # noqa: S704  numbers and a fixed class
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )

"""Pictures as inline SVG: attributes and classes only, for the page's policy allows no styles."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from winnerr_webhooks.domain.attempt import LoggedAttempt
from winnerr_webhooks.settings_page import formatting

_GAP: Final = 1.0
_LEAST: Final = 1.5
"""A phase or a bar that happened is seen, however short."""


class Bar(NamedTuple):
    """One stretch of time: how many succeeded and failed in it."""

    succeeded: int
    failed: int


class Phase(NamedTuple):
    """One phase of an attempt."""

    name: str
    kind: str
    """Its class in the picture and in the legend."""
    ms: float


def sparkline(bars: Sequence[Bar], *, width: int, height: int, label: str) -> Markup:
    """Stacked bars, failures at the foot; an empty stretch is a hairline."""
    step = width / max(len(bars), 1)
    most = max((bar.succeeded + bar.failed for bar in bars), default=0)
    parts = []
    for at, bar in enumerate(bars):
        x = at * step
        total = bar.succeeded + bar.failed
        if not total:
            parts.append(_rect(x, height - 1, step - _GAP, 1, "none"))
            continue
        # The square root keeps a quiet hour visible beside a busy one.
        tall = max(_LEAST, (height - 1) * math.sqrt(total / most))
        foot = max(_LEAST, tall * bar.failed / total) if bar.failed else 0.0
        if bar.succeeded:
            parts.append(_rect(x, height - tall, step - _GAP, max(tall - foot, 0), "ok"))
        if foot:
            parts.append(_rect(x, height - foot, step - _GAP, foot, "bad"))
    return Markup(
        '<svg class="chart" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none">{}</svg>'
    ).format(label, width, height, width, height, Markup("").join(parts))


def duration_bar(ms: float, longest_ms: float, outcome: str) -> Markup:
    """A row's delivery time beside the time it could have had."""
    share = min(1.0, math.sqrt(ms / longest_ms)) if longest_ms else 1.0
    kind = "bad" if outcome == "failed" else "ok"
    return Markup(  # noqa: S704  a number and one of two words
        '<svg class="bar" aria-hidden="true" width="56" height="8">'
        f'<rect class="{kind}" width="{max(_LEAST, 56 * share):.1f}" height="8" rx="1"/></svg>'
    )


def phases(attempt: LoggedAttempt) -> list[Phase]:
    """What an attempt's time went into; what is left after the first byte is the answer."""
    timings = attempt.timings
    found = [
        Phase(name, kind, ms)
        for name, kind, ms in (
            ("DNS", "dns", timings.dns_ms),
            ("connect", "connect", timings.connect_ms),
            ("TLS", "tls", timings.tls_ms),
            ("waiting", "wait", timings.first_byte_ms),
        )
        if ms is not None
    ]
    rest = attempt.duration_ms - sum(phase.ms for phase in found)
    if rest > 0.05:  # noqa: PLR2004  less is rounding
        name = _REST.get(attempt.error_phase, "waiting") if attempt.status is None else "answer"
        known = next((at for at, phase in enumerate(found) if phase.name == name), None)
        if known is None:
            found.append(Phase(name, _KIND[name], rest))
        else:
            found[known] = found[known]._replace(ms=found[known].ms + rest)
    return found


_REST: Final = {"dns": "DNS", "connect": "connect", "tls": "TLS", "send": "sending"}
"""What an attempt without an answer was at when it ended, by the failure's phase."""
_KIND: Final = {
    "DNS": "dns",
    "connect": "connect",
    "TLS": "tls",
    "sending": "wait",
    "waiting": "wait",
    "answer": "body",
}


def timeline(attempt: LoggedAttempt, *, width: int = 640, height: int = 16) -> Markup:
    """The phases of an attempt, end to end, each as wide as it was long (at least visible)."""
    found = phases(attempt)
    total = sum(phase.ms for phase in found) or 1.0
    widths = [max(_LEAST * 2, width * phase.ms / total) for phase in found]
    scale = (width - _GAP * max(len(found) - 1, 0)) / (sum(widths) or 1.0)
    parts, x = [], 0.0
    for phase, wide in zip(found, widths, strict=True):
        parts.append(_rect(x, 0, wide * scale, height, f"phase-{phase.kind}"))
        x += wide * scale + _GAP
    label = ", ".join(f"{phase.name} {formatting.duration(phase.ms)}" for phase in found)
    return Markup(
        '<svg class="timeline" role="img" aria-label="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none" height="{}">{}</svg>'
    ).format(
        f"{label}; {formatting.duration(attempt.duration_ms)} in all",
        width,
        height,
        height,
        Markup("").join(parts),
    )


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return Markup(  # noqa: S704  numbers, and a class of ours
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )

"""The accent colour of the settings page: whether text in it can be read (WCAG 2.2, 1.4.3).

Links and the button that saves have this colour, so it needs a contrast of 4.5:1 with what is
behind it, in light and in dark.
"""

import re
from typing import Final, NamedTuple

MIN_CONTRAST: Final = 4.5
"""Of text below 18 pt (WCAG 2.2, success criterion 1.4.3)."""
_HEX: Final = re.compile("#[0-9a-f]{6}", re.ASCII)
_SOFT: Final = 0.1
"""How much of the accent is in its soft background."""
_STEPS: Final = 100

RGB = tuple[int, int, int]


class Scheme(NamedTuple):
    """The colours behind text, as the page's style sheets have them."""

    name: str
    background: str
    hover: str


LIGHT: Final = Scheme("light", "#ffffff", "#f1f3f7")
DARK: Final = Scheme("dark", "#0e1117", "#1b212b")
SCHEMES: Final = {"auto": (LIGHT, DARK), "light": (LIGHT,), "dark": (DARK,)}
"""The schemes that visitors can see, by THEME_COLOR_SCHEME."""


class Accent(NamedTuple):
    """An accent colour in one scheme, with the colours that go with it."""

    scheme: Scheme
    color: str
    soft: str
    """A background in a touch of it."""

    @property
    def contrast(self) -> float:
        """Its lowest contrast with anything behind it; on a button, it is behind the text."""
        behind = (self.scheme.background, self.scheme.hover, self.soft)
        return min(contrast(self.color, one) for one in behind)


def parse_accent(text: str) -> tuple[str, ...]:
    """Parse one colour for both schemes, or one for light and one for dark; nothing: the default.

    Raises `ValueError` that says what was expected.
    """
    colors = tuple(part.strip().lower() for part in text.split(",")) if text else ()
    if len(colors) > len((LIGHT, DARK)) or not all(map(_HEX.fullmatch, colors)):
        raise ValueError(
            "expected a colour such as #0f766e, or two for light and dark: #0f766e,#2dd4bf"
        )
    return colors


def accents(colors: tuple[str, ...], color_scheme: str) -> list[Accent]:
    """Return the accent of each scheme; `colors` as `parse_accent` returns them, at least one.

    Raises `ValueError` that says which colour to use instead if text in one cannot be read.
    """
    by_scheme = {LIGHT: colors[0], DARK: colors[-1]}
    chosen = [_accent(scheme, by_scheme[scheme]) for scheme in SCHEMES[color_scheme]]
    poor = [one for one in chosen if one.contrast < MIN_CONTRAST]
    if not poor:
        return chosen
    better = by_scheme | {one.scheme: _readable(one) for one in poor}
    used = [better[scheme] for scheme in (LIGHT, DARK)]
    value = ",".join(used if len(chosen) > 1 else [better[chosen[0].scheme]])
    measured = " and ".join(
        f"{one.color} has a contrast of {one.contrast:.1f}:1 in {one.scheme.name}" for one in poor
    )
    raise ValueError(
        f"{measured}, and text needs {MIN_CONTRAST}:1 (WCAG 2.2, 1.4.3). The nearest that can be "
        f"read: {value}"
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))))
    return (lighter + 0.05) / (darker + 0.05)


def _accent(scheme: Scheme, color: str) -> Accent:
    return Accent(scheme, color, _mixed(scheme.background, color, _SOFT))


def _readable(accent: Accent) -> str:
    """Return the first colour on the way to black, or white in dark, that can be read."""
    end = "#000000" if accent.scheme is LIGHT else "#ffffff"
    steps = (_mixed(accent.color, end, step / _STEPS) for step in range(1, _STEPS + 1))
    return next(one for one in steps if _accent(accent.scheme, one).contrast >= MIN_CONTRAST)


def _mixed(one: str, other: str, share: float) -> str:
    """Return a colour with this share of another one."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _rgb(color: str) -> RGB:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(rgb: RGB) -> float:
    """Return the relative luminance (WCAG 2.2, "relative luminance")."""
    parts = [part / 255 for part in rgb]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]  # noqa: PLR2004  WCAG's
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""The look of the settings page: the product's colours, font, logo and style sheet.

All of it is style sheets and files of our own origin, because the page's policy allows no inline
style and nothing from other sites.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.accent import DARK, Accent, accents
from winnerr_webhooks.settings_page.assets import CSS, Asset
from winnerr_webhooks.theme_files import LOGO_HEIGHT, read_logo, read_stylesheet

_PREFERS_DARK: Final = "(prefers-color-scheme: dark)"
_LOGO_HEADERS: Final = {
    # An SVG that is opened as a page of its own runs no script and loads nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


class LogoImage(msgspec.Struct, frozen=True):
    """The logo in the header: the name of its file, and its size in pixels."""

    name: str
    width: int
    height: int


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    """What templates need to know of the look, and the files that are served for it."""

    color_scheme: str = "auto"
    has_header: bool = True
    logo: LogoImage | None = None
    stylesheets: tuple[str, ...] = ()
    """Names of style sheets that come after the page's own."""
    files: Mapping[str, Asset] = msgspec.field(default_factory=dict)

    @property
    def color_schemes(self) -> str:
        """What the page tells browsers that it supports (CSS Color Adjustment 1, section 2)."""
        return "light dark" if self.color_scheme == "auto" else self.color_scheme

    @property
    def dark_when(self) -> str | None:
        """The media query under which the page is dark; None: never."""
        return {"auto": _PREFERS_DARK, "dark": "all"}.get(self.color_scheme)


def load_theme(config: Config) -> Theme:
    """Read the files of the look. `config.check_service` has checked them."""
    files: dict[str, Asset] = {}
    logo = None
    text = "".join(_rules(config))
    if text:
        files["theme.css"] = Asset(text.encode(), CSS)
    if config.theme_stylesheet:
        files["product.css"] = Asset(read_stylesheet(config.theme_stylesheet), CSS)
    stylesheets = tuple(files)
    if config.theme_logo:
        found = read_logo(config.theme_logo)
        kind, media_type = ("svg", "image/svg+xml") if found.is_svg else ("png", "image/png")
        logo = LogoImage(f"logo.{kind}", found.width, LOGO_HEIGHT)
        files[logo.name] = Asset(found.content, media_type, _LOGO_HEADERS)
    return Theme(
        color_scheme=config.theme_color_scheme,
        has_header=config.theme_header == "show",
        logo=logo,
        stylesheets=stylesheets,
        files=files,
    )


def _rules(config: Config) -> Iterator[str]:
    if config.theme_font:
        yield f":root {{ --font: {config.theme_font}; }}\n"
    if not config.theme_accent:
        return
    for accent in accents(config.theme_accent, config.theme_color_scheme):
        rule = f":root {{ {_properties(accent)} }}"
        is_conditional = accent.scheme is DARK and config.theme_color_scheme == "auto"
        yield f"@media {_PREFERS_DARK} {{ {rule} }}\n" if is_conditional else f"{rule}\n"


def _properties(accent: Accent) -> str:
    return (
        f"--accent: {accent.color}; --on-accent: {accent.scheme.background}; "
        f"--accent-soft: {accent.soft};"
    )

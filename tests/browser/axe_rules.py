"""What axe-core looks at in a page, and for which rules."""

from typing import Any, NamedTuple

from playwright.async_api import Page

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OF_COLOUR = ["color-contrast", "link-in-text-block"]

ALL = {"runOnly": _TAGS, "preload": False}
"""No rule of these tags needs the style sheets, which axe-core would load again (`preload`)."""
COLOURS = ALL | {"runOnly": _OF_COLOUR}
"""The rules that another colour scheme can break; they take half of the time of all."""
ALL_BUT_COLOURS = ALL | {
    "runOnly": {"type": "tag", "values": _TAGS},
    "rules": {rule: {"enabled": False} for rule in _OF_COLOUR},
}

RUN = """options => axe.run(document, {...options, resultTypes: ["violations"]}).then(
  ({violations, passes}) => ({violations, passes: passes.length}))"""
"""What to evaluate in a page that has axe-core, with the options as the argument."""


class Look(NamedTuple):
    """A colour scheme, the width of the window in CSS pixels, and the rules to check there."""

    scheme: str
    width: int
    rules: dict[str, Any]


EVERY_LOOK = [
    Look("light", 1280, ALL),
    Look("dark", 1280, COLOURS),
    Look("dark", 360, ALL_BUT_COLOURS),
]


class Checker:
    """Looks at a page as it is now in every look; `axe` is the source of axe-core.

    Nothing is ever wider than the window.
    """

    def __init__(self, axe: str) -> None:
        self._axe = axe

    async def __call__(self, page: Page) -> None:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(self._axe)
        for look in EVERY_LOOK:
            await page.set_viewport_size({"width": look.width, "height": 800})
            await page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
            found = await page.evaluate(RUN, look.rules)
            where = f"{page.url.partition('/settings')[2]} {look.scheme} {look.width}"
            assert [_told(one) for one in found["violations"]] == [], where
            assert found["passes"], f"axe saw nothing of {where}"
        for width in sorted({look.width for look in EVERY_LOOK}):
            await page.set_viewport_size({"width": width, "height": 800})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{page.url} is {wide} wide at {width}"


def _told(violation: dict[str, Any]) -> str:
    nodes = [f"{node['html'][:120]}: {node['failureSummary']}" for node in violation["nodes"][:4]]
    return f"{violation['id']} ({len(violation['nodes'])}): " + " | ".join(nodes)

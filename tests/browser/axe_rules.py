"""What axe-core looks at in a page, and for which rules."""

from typing import Any

from playwright.async_api import Page

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OF_COLOUR = ["color-contrast", "link-in-text-block"]

ALL = {"runOnly": _TAGS}
COLOURS = {"runOnly": _OF_COLOUR}
"""The rules that another colour scheme can break; they take half of the time of all."""
ALL_BUT_COLOURS = {
    "runOnly": {"type": "tag", "values": _TAGS},
    "rules": {rule: {"enabled": False} for rule in _OF_COLOUR},
}

RUN = """options => axe.run(document, {...options, resultTypes: ["violations"]}).then(
  ({violations, passes}) => ({violations, passes: passes.length}))"""
"""What to evaluate in a page that has axe-core, with the options as the argument."""

LOOKS = [("light", 1280, ALL), ("dark", 1280, COLOURS), ("dark", 360, ALL_BUT_COLOURS)]


async def check(page: Page, axe: str) -> None:
    """Look at a page as it is now, in each of the LOOKS; `axe` is the source of axe-core."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    for scheme, width, rules in LOOKS:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = await page.evaluate(RUN, rules)
        where = f"{page.url.partition('/settings')[2]} {scheme} {width}"
        assert [_told(one) for one in found["violations"]] == [], where
        assert found["passes"], f"axe saw nothing of {where}"
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{where} is {wide} wide"


def _told(violation: dict[str, Any]) -> str:
    nodes = [f"{node['html'][:120]}: {node['failureSummary']}" for node in violation["nodes"][:4]]
    return f"{violation['id']} ({len(violation['nodes'])}): " + " | ".join(nodes)

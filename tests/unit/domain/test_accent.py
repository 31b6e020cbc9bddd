"""The accent colour can be read in light and in dark, or a colour that can be is named."""

import re
from pathlib import Path

import pytest

from winnerr_webhooks.domain.accent import DARK, LIGHT, MIN_CONTRAST, accents, contrast

STATIC = Path(__file__).parents[3] / "src/winnerr_webhooks/settings_page/static"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#ffffff", "#0000ff", 8.59)],
)
def test_contrast_is_what_wcag_says(one, other, ratio):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize(("file", "scheme"), [("page.css", LIGHT), ("dark.css", DARK)])
def test_the_backgrounds_are_those_of_the_style_sheets(file, scheme):
    css = (STATIC / file).read_text("utf-8")
    values = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", css))
    assert (values["background"], values["hover"]) == (scheme.background, scheme.hover)
    assert contrast(values["accent"], values["background"]) >= MIN_CONTRAST


def test_two_colours_are_for_light_and_for_dark():
    light, dark = accents(("#0f5f59", "#2dd4bf"), "auto")
    assert (light.scheme, light.color, dark.scheme, dark.color) == (
        LIGHT, "#0f5f59", DARK, "#2dd4bf",
    )  # fmt: skip
    assert [one.scheme for one in accents(("#0f5f59",), "light")] == [LIGHT]
    assert [one.scheme for one in accents(("#2dd4bf",), "dark")] == [DARK]


@pytest.mark.parametrize(
    ("colors", "scheme", "poor"),
    [
        (("#0f5f59",), "auto", "in dark"),
        (("#2dd4bf",), "auto", "in light"),
        (("#7f7f7f",), "auto", "in light and .* in dark"),
        (("#ffff00",), "light", "in light"),
        (("#000000",), "dark", "in dark"),
    ],
)
def test_a_colour_that_cannot_be_read_is_refused_with_one_that_can(colors, scheme, poor):
    with pytest.raises(ValueError, match=poor) as refused:
        accents(colors, scheme)
    remedy = str(refused.value).rpartition(": ")[2]
    assert accents(tuple(remedy.split(",")), scheme)

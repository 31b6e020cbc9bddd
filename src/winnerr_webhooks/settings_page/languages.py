"""The languages of the settings page."""

from typing import Final

LANGUAGES: Final = ("en",)
"""The languages that the page's texts are in, the default first."""


def page_language(asked: str | None) -> str:
    """Return the page's language for a visitor who asks for one (BCP 47), or for none."""
    tag = (asked or "").lower()
    exact = [one for one in LANGUAGES if one.lower() == tag]
    related = [one for one in LANGUAGES if one.lower().split("-")[0] == tag.split("-")[0]]
    return (exact + related + [LANGUAGES[0]])[0]

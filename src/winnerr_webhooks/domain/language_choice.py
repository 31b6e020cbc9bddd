"""The languages of the settings page, and which of them a visitor gets."""

import re
from collections.abc import Iterator
from typing import Final

LANGUAGES: Final = ("en", "de", "es", "fr", "pt-BR")
"""Language tags (BCP 47). The texts of the first are in the code; the others have catalogues."""
_MOST_RANGES: Final = 20
"""How many languages of a visitor are looked at; browsers send fewer."""
_RANGE: Final = re.compile(r"\s*([A-Za-z0-9-]{1,64}|\*)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?")


def choose_language(asked: str | None, accepted: str, default: str) -> str:
    """Return the tag of the language for a visitor.

    `asked` is the tag of the sign-in link, `accepted` the value of Accept-Language (RFC 9110,
    section 12.5.4), and `default` counts if we have none of these.
    """
    wanted = (asked or "", *_by_preference(accepted))
    return next(filter(None, map(_closest, wanted)), default)


def _closest(tag: str) -> str | None:
    """Return our language for a tag; `pt-PT` gets `pt-BR`, because it is the same language."""
    name = tag.lower()
    exact = (one for one in LANGUAGES if one.lower() == name)
    related = (one for one in LANGUAGES if one.lower().split("-")[0] == name.split("-")[0])
    return next(exact, None) or next(related, None)


def _by_preference(accepted: str) -> Iterator[str]:
    """Yield the tags of Accept-Language, the preferred first; what is malformed is left out."""
    found = []
    for part in accepted.split(",")[:_MOST_RANGES]:
        match = _RANGE.fullmatch(part)
        quality = float(match[2] or 1) if match else 0.0
        if match is not None and quality > 0 and match[1] != "*":
            found.append((quality, match[1]))
    found.sort(key=lambda one: -one[0])
    return (tag for _, tag in found)

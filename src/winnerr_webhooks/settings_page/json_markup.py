"""JSON with colours, and with its objects and lists in elements that the page's script can fold."""

import re
from html import escape
from typing import Final

from markupsafe import Markup

from winnerr_webhooks.settings_page.formatting import has_hidden, visible

MAX_MARKED: Final = 65_536
"""Characters; a longer text stays plain, because each token becomes an element."""
_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
    r"|(?P<open>[\[{])(?P<inside>\s*\n)?|(?P<shut>[\]}])",
    re.DOTALL,
)


def json_markup(text: str) -> Markup:
    """Return a JSON text as HTML: the same characters, each token in a `span` with its class.

    What stands between the brackets of an object or a list of several lines is a `span` of the
    class `fold`. A text that is no JSON, or longer than `MAX_MARKED`, has no elements.
    """
    if len(text) > MAX_MARKED:
        return visible(text)
    # Almost no text has characters that are not seen, and looking at each token takes long.
    show = _visible if has_hidden(text) else _escaped
    parts: list[str] = []
    folds: list[bool] = []  # of each open bracket, whether what is in it can be folded
    at = 0
    for token in _TOKEN.finditer(text):
        parts.append(show(text[at : token.start()]))
        at = token.end()
        if token["open"]:
            inside = token["inside"]
            folds.append(inside is not None)
            parts.append(token["open"])
            if inside is not None:
                parts[-1] = (
                    f'<span class="open">{token["open"]}</span><span class="fold">{show(inside)}'
                )
        elif token["shut"]:
            if not folds:
                return visible(text)
            shut = token["shut"]
            parts.append(f'</span><span class="shut">{shut}</span>' if folds.pop() else shut)
        else:
            parts.append(f'<span class="json-{token.lastgroup}">{show(token[0])}</span>')
    if folds:
        return visible(text)
    return Markup("".join([*parts, show(text[at:])]))  # noqa: S704  all of it is escaped


def _visible(text: str) -> str:
    return str(visible(text))


def _escaped(text: str) -> str:
    return escape(text, quote=False)

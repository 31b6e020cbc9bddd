"""Finds the `Text` behind a sentence that was stored in English.

Why an attempt failed and why a webhook was disabled is stored as a sentence, because the API gives
it back unchanged. To show it in another language, it is compared with the templates it can be of.
"""

import re
from collections.abc import Iterable
from string import Formatter

from winnerr_webhooks.domain.text import Text


class StoredTexts:
    """Recognizes sentences that were made of some templates, without a `Text` among the values."""

    def __init__(self, templates: Iterable[Text]) -> None:
        self._fixed: dict[str, Text] = {}
        self._patterns: list[tuple[re.Pattern[str], Text]] = []
        for text in templates:
            if text.values or "{" in text.template:
                self._patterns.append((_pattern(text.template), text))
            else:
                self._fixed[text.template] = text

    def recognize(self, sentence: str) -> str:
        """Return the sentence as a `Text` if it is of one of the templates, else as it is."""
        fixed = self._fixed.get(sentence)
        if fixed is not None:
            return fixed
        for pattern, text in self._patterns:
            match = pattern.fullmatch(sentence)
            if match is not None:
                return text.fill(**match.groupdict())
        return sentence


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _spec, _conversion in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>.+?)")
    return re.compile("".join(parts), re.DOTALL)

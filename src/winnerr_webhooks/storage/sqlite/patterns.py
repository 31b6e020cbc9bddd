"""LIKE patterns for a part of a text, whatever its case and however JSON wrote it."""

from winnerr_webhooks.storage.variants import variants


def like_patterns(text: str) -> list[str]:
    r"""Patterns of which one matches wherever `text` occurs, for `LIKE … ESCAPE '\'`."""
    return [f"%{_escaped(variant)}%" for variant in variants(text)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

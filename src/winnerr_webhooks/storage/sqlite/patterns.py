"""LIKE patterns for a part of a text, whatever its case and however JSON wrote it."""

import json


def like_patterns(text: str) -> list[str]:
    r"""Patterns of which one matches wherever `text` occurs, for `LIKE … ESCAPE '\'`.

    SQLite's LIKE folds the case of ASCII only, so other letters come in the variants that occur;
    and a JSON body may hold them as `\u00e9`, whose digits are ASCII again.
    """
    variants = [text]
    if not text.isascii():
        variants += [text.lower(), text.upper(), text.title(), text.capitalize()]
        variants += [json.dumps(variant)[1:-1] for variant in variants]
    return [f"%{_escaped(variant)}%" for variant in dict.fromkeys(variants)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

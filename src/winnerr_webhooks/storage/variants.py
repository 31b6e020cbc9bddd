"""The ways in which a text that is searched for may be written."""

import json


def variants(text: str) -> list[str]:
    r"""Texts of which one occurs wherever `text` does, for a search that folds ASCII only.

    Databases fold the case of ASCII alone without a language, so other letters come in the
    variants that occur; and a JSON body may hold them as `\u00e9`, whose digits are ASCII again.
    """
    found = [text]
    if not text.isascii():
        found += [text.lower(), text.upper(), text.title(), text.capitalize()]
        found += [json.dumps(variant)[1:-1] for variant in found]
    return list(dict.fromkeys(found))

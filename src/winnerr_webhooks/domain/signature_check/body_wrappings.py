"""Undoes what turned a whole body into another text, such as base64 or HTML.

The JSON in it was not parsed: a gateway, a framework or a log page changed the text as such.
"""

import ast
import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from winnerr_webhooks.domain.text import Text

_MOST_SPACES: Final = 64
"""How many spaces are taken for a plus sign, one at a time."""


def unwrapped(body: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield what the body may have been before, each with what was done to it."""
    if re.fullmatch(rb"[A-Za-z0-9+/\s]+={0,2}", body):
        with suppress(binascii.Error):
            yield (
                base64.b64decode(body),
                Text("encoded in base64, as AWS API Gateway does with bodies"),
            )
    try:
        text = body.decode()
    except UnicodeError:
        return
    if re.match(r"b['\"]", text):
        with suppress(ValueError, SyntaxError, MemoryError):
            value = ast.literal_eval(text)
            if isinstance(value, bytes):
                yield value, Text("turned into text with str(), where Python's decode() is right")
    with suppress(ValueError, RecursionError):
        event = json.loads(text)
        if isinstance(event, dict) and isinstance(inner := event.get("body"), str):
            yield (
                inner.encode("utf-8", "surrogatepass"),
                Text("put into a JSON event, as AWS Lambda does"),
            )
    changes = (
        (html.unescape(text), Text("escaped for HTML")),
        (
            re.sub(r"\\(.)", r"\1", text),
            Text("given backslashes before its quotes, as WordPress does"),
        ),
        (
            unicodedata.normalize("NFC", text),
            Text("stored with decomposed characters (Unicode NFD)"),
        ),
        *(
            (before, Text("decoded as a form, which turns + into a space"))
            for before in _with_plus(text)
        ),
    )
    for before, what in changes:
        if before != text:
            yield before.encode("utf-8", "surrogatepass"), what


def _with_plus(text: str) -> Iterator[str]:
    """Yield the text with all spaces, and with each of the first ones, as a plus sign."""
    yield text.replace(" ", "+")
    for space in islice(re.finditer(" ", text), _MOST_SPACES):
        yield f"{text[: space.start()]}+{text[space.end() :]}"

"""Reads catalogues of translations: gettext's PO files, which need no compilation.

Only what `make texts` writes is read: messages with and without plural forms and contexts. A
message that is marked as fuzzy or has no translation is left out, so its English text is shown.
"""

import json
import re
from gettext import NullTranslations, c2py
from typing import Final

_ENTRY: Final = re.compile(r"\n[ \t]*\n")
_FIELD: Final = re.compile(
    r'^(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d)\])? ("(?:.*)"(?:\n".*")*)', re.MULTILINE
)
_PLURAL: Final = re.compile(r"plural=(.+?);")
_CONTEXT: Final = "\x04"
"""What gettext puts between the context of a message and its id."""


class Catalog(NullTranslations):
    """The messages of one language. A message that it does not have is answered with itself."""

    def __init__(self, text: str = "") -> None:
        """Read a PO file; an empty one has no translations, and the plurals of English."""
        super().__init__()
        self.messages: dict[tuple[str, int], str] = {}
        """(context and id, number of the plural form) -> translation."""
        self.plural_form = c2py("n != 1")
        for entry in _ENTRY.split(text):
            self._add(entry)

    def _add(self, entry: str) -> None:
        fields = {
            (name, number or "0"): _joined(quoted) for name, number, quoted in _FIELD.findall(entry)
        }
        message = fields.get(("msgid", "0"))
        if message is None:
            return
        if not message:
            found = _PLURAL.search(fields["msgstr", "0"])
            if found is not None:
                self.plural_form = c2py(found[1])
            return
        if "fuzzy" in entry.partition("msgid")[0]:
            return
        context = fields.get(("msgctxt", "0"))
        key = message if context is None else f"{context}{_CONTEXT}{message}"
        for (name, number), translation in fields.items():
            if name == "msgstr" and translation:
                self.messages[key, int(number)] = translation

    def gettext(self, message: str) -> str:
        """Return the translation of a message."""
        return self.messages.get((message, 0), message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the translation for a count."""
        found = self.messages.get((msgid1, self.plural_form(n)))
        return found or (msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:
        """Return the translation of a message that has a context."""
        return self.messages.get((f"{context}{_CONTEXT}{message}", 0), message)


def _joined(quoted: str) -> str:
    """Return the string that the quoted lines of a field are together."""
    return "".join(json.loads(line) for line in quoted.splitlines())

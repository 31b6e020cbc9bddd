"""The texts of the settings page, as the source has them, and their catalogues of translations.

`make texts` runs this module: it adds new texts to the catalogues, without a translation, and
removes those that the source no longer has. Tests compare the two.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.core import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

import winnerr_webhooks
from winnerr_webhooks.domain.language_choice import LANGUAGES

SOURCE = Path(winnerr_webhooks.__file__).parent
TRANSLATED = LANGUAGES[1:]
FOLDER = SOURCE / "settings_page" / "translations"
_FOLDERS = (
    "alerts",
    "domain",
    "egress",
    "event_catalog",
    "management",
    "pipeline",
    "settings_page",
    "storage",
)
"""Where texts of the page can be; the command line has a `Text` of its own, which is no message."""
_KEYWORDS: dict[str, Any] = {
    "Text": None,
    "say": None,
    "counted": (1, 2),
    "say_counted": (1, 2),
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
_TEMPLATES = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
_PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "pt-BR": "nplurals=2; plural=(n > 1);",
}
"""The plural forms of each language, without that of CLDR for whole millions, which is rare."""
_HEADER = """\
# The texts of the settings page: {language}. CONTRIBUTING.md says how to translate them.
msgid ""
msgstr ""
"Language: {tag}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plurals}\\n"

"""


def source_catalog() -> Catalog:
    """Return every text of the source, without translations."""
    catalog = Catalog()
    for path in _files():
        method, options = ("jinja2", _TEMPLATES) if path.suffix == ".html" else ("python", {})
        found = extract(
            method,
            io.BytesIO(path.read_bytes()),
            keywords=_KEYWORDS,
            comment_tags=("Translators:",),
            options=options,
            strip_comment_tags=True,
        )
        name = path.relative_to(SOURCE).as_posix()
        for _line, message, comments, context in found:
            catalog.add(message, None, [(name, None)], auto_comments=comments, context=context)
    return catalog


def _files() -> Iterator[Path]:
    for folder in _FOLDERS:
        yield from sorted((SOURCE / folder).rglob("*.py"))
    yield from sorted((SOURCE / "settings_page" / "templates").glob("*.html"))


def read_catalog(tag: str) -> Catalog:
    """Return the catalogue of a language; an empty one if it has none yet."""
    path = FOLDER / f"{tag}.po"
    text = path.read_text("utf-8") if path.exists() else _header(tag)
    return read_po(io.BytesIO(text.encode()), locale=tag.replace("-", "_"))


def _header(tag: str) -> str:
    language = Locale.parse(tag, sep="-").get_display_name("en")
    return _HEADER.format(language=language, tag=tag, plurals=_PLURALS[tag])


def updated(tag: str, source: Catalog) -> str:
    """Return the PO file of a language with exactly the texts of the source."""
    catalog = read_catalog(tag)
    catalog.update(source, no_fuzzy_matching=True)
    written = io.BytesIO()
    write_po(
        written,
        catalog,
        width=0,
        sort_by_file=True,
        omit_header=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    return _header(tag) + written.getvalue().decode().strip() + "\n"


def problems(tag: str, source: Catalog) -> list[str]:
    """Return what is wrong with the catalogue of a language, a line for each message."""
    catalog = read_catalog(tag)
    found = []
    for message in source:
        if not message.id:
            continue
        translated = catalog.get(message.id, message.context)
        name = message.id if isinstance(message.id, str) else message.id[0]
        if translated is None or not all(_strings(translated)):
            found.append(f"untranslated: {name}")
        elif translated.fuzzy:
            found.append(f"fuzzy: {name}")
        else:
            originals = [message.id] if isinstance(message.id, str) else list(message.id)
            expected = [_placeholders(one) for one in originals]
            if any(_placeholders(one) not in expected for one in _strings(translated)):
                found.append(f"other placeholders or tags: {name}")
    unused = (
        message
        for message in catalog
        if message.id and source.get(message.id, message.context) is None
    )
    return found + [f"unused: {message.id}" for message in unused]


def _strings(message: Any) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def _placeholders(text: str) -> list[str]:
    """Return the placeholders and HTML tags of a text, sorted."""
    return sorted(re.findall(r"%\(\w+\)s|\{\w+(?::[^}]*)?\}|</?\w+[^>]*>|`[^`]+`", text))


def main() -> None:
    """Bring all catalogues up to date."""
    source = source_catalog()
    for tag in TRANSLATED:
        (FOLDER / f"{tag}.po").write_text(updated(tag, source), "utf-8")
        missing = [line for line in problems(tag, source) if line.startswith("untranslated")]
        print(f"{tag}: {len(source)} texts, {len(missing)} untranslated")


if __name__ == "__main__":
    main()

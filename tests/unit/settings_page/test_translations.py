"""Every text of the page is in every catalogue, and no text is outside them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from tests import catalogs

from winnerr_webhooks import settings_page
from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.settings_page.languages import load_language
from winnerr_webhooks.settings_page.script_texts import SCRIPT_TEXTS

PAGE = Path(settings_page.__file__).parent
TEMPLATES = sorted((PAGE / "templates").glob("*.html"))


@pytest.fixture(scope="module")
def source():
    return catalogs.source_catalog()


@pytest.mark.parametrize("tag", catalogs.TRANSLATED)
def test_a_catalogue_has_each_text_whole_and_no_other(tag, source):
    """After a change of texts: `make texts`, then translate what is new."""
    assert catalogs.problems(tag, source) == []
    path = catalogs.FOLDER / f"{tag}.po"
    assert path.read_text("utf-8") == catalogs.updated(tag, source), "run `make texts`"


def test_no_sentence_is_the_same_in_two_languages(source):
    """A sentence that is would be in the wrong catalogue."""
    translations = {tag: catalogs.read_catalog(tag) for tag in catalogs.TRANSLATED}
    found = []
    for message in filter(lambda one: one.id, source):
        sentences: list[str] = []
        for tag in catalogs.TRANSLATED:
            forms = translations[tag].get(message.id, message.context).string
            text = forms if isinstance(forms, str) else forms[0]
            bare = re.sub(r"\{.*?\}|%\(.*?\)s|<.*?>|`.*?`", "", text)
            if len(re.findall(r"[^\W\d_]{3,}", bare)) > 3:
                sentences.append(text)
        found += {text for text in sentences if sentences.count(text) > 1}
    assert found == []


def test_problems_of_a_catalogue_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogs, "FOLDER", tmp_path)
    good = 'msgid "Save {name}"\nmsgstr "{name} speichern"\n'
    head = catalogs._header("de")
    source = catalogs.Catalog()
    source.add("Save {name}")
    for body, problem in (
        (good, []),
        ("", ["untranslated: Save {name}"]),
        (good.replace('"{name} ', '"{namen} '), ["other placeholders or tags: Save {name}"]),
        (f"#, fuzzy\n{good}", ["fuzzy: Save {name}"]),
        (good + '\nmsgid "Gone"\nmsgstr "Weg"\n', ["unused: Gone"]),
    ):
        (tmp_path / "de.po").write_text(head + body)
        assert catalogs.problems("de", source) == problem


def test_scripts_use_the_texts_that_the_page_gives_them_and_no_others():
    scripts = "".join(path.read_text() for path in (PAGE / "static").glob("*.js"))
    calls = re.findall(r"\bsay(?:Counted)?\(([^;]*)", scripts)
    used = {text for call in calls for text in re.findall(r'"([^"]*)"', call)}
    used |= set(re.findall(r'"((?:in )?\{count\} \w+(?: ago)?)"', scripts))
    given = {one for text in SCRIPT_TEXTS for one in (text.template, text.plural) if one}
    assert given - used == set()
    assert {text for text in used - given if " " in text} == set()


# --- texts outside of the catalogues --------------------------------------------------------------

WORDS = re.compile(r"[A-Za-z]{2,}")
SHOWN_ATTRIBUTES = {"aria-label", "title", "placeholder", "alt"}
SAME_EVERYWHERE = {
    "UTC",
    "POST",
    "CSV",
    "NDJSON",
    "HMAC-SHA256",
    "Ed25519",
    "enter",
    "esc",
    "https://hooks.example.com/crm",
    "503, 5xx",
}
"""Texts in templates that no language translates."""


class LiteralTexts(HTMLParser):
    """Collects texts and attributes that readers see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_data(self, data):
        self.found.append(data)


def literals(source: str) -> list[str]:
    """The texts of a template that do not go through gettext."""
    html = re.sub(r"(?s)\{#.*?#\}|\{% *trans\b.*?endtrans *%\}", "", source)
    html = re.sub(r"(?s)\{%.*?%\}|\{\{.*?\}\}", "", html)
    texts = [text.strip() for text in LiteralTexts(html).found]
    return [
        text
        for text in texts
        if WORDS.search(text) and text not in SAME_EVERYWHERE and not text.startswith("aria-")
    ]


GETTEXT = ("_", "gettext", "ngettext", "pgettext")


def constants(source: str) -> list[str]:
    """String constants that a template prints and that look like words for people."""
    tree = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(source)
    printed = [
        one.value
        for output in tree.find_all(nodes.Output)
        for child in output.nodes
        for one in [child, *child.find_all(nodes.Const)]
        if isinstance(one, nodes.Const) and isinstance(one.value, str)
    ]
    translated = {
        one.value
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in GETTEXT
        for one in call.find_all(nodes.Const)
    }
    return [text for text in printed if re.search(r"[a-z] [a-z]", text) and text not in translated]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_text_outside_gettext(path):
    source = path.read_text()
    assert literals(source) == []
    assert [text for text in constants(source) if not text.startswith("is-")] == []


def test_a_text_outside_gettext_is_found():
    assert literals('<p title="Two words">{{ _("Fine") }} bare</p>') == ["Two words", "bare"]
    assert literals("{% trans %}Fine{% endtrans %}<b>{# a note #}</b>") == []
    assert constants('{{ "two words" if x else _("more words") }}') == ["two words"]


async def test_a_json_answer_and_a_part_of_a_page_are_in_the_visitors_language(site):
    browser = await site.browser().sign_in()
    german = {"Accept-Language": "de"}
    answer = await browser.post("/check-url", {"url": "http://x y"}, headers=german)
    assert "Entfernen Sie Leer- und Steuerzeichen aus der URL." in answer.html
    part = await browser.get("/logs/att_none", headers={"X-Part": "attempt", **german})
    assert "Diesen Versuch gibt es nicht." in part.html


@pytest.mark.parametrize("tag", LANGUAGES)
async def test_a_page_has_the_texts_of_its_scripts(site, tag):
    browser = await site.browser().sign_in()
    page = await browser.get("/logs", headers={"Accept-Language": tag})
    assert (f'"{load_language(tag).say("Reconnecting")}"' in page.html) == (tag != "en")

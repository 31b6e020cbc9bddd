"""Catalogues, and the numbers, dates and plurals of each language."""

from datetime import UTC, datetime

import pytest
from babel.core import Locale

from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.text import Sentences, Text, counted
from winnerr_webhooks.settings_page import formatting
from winnerr_webhooks.settings_page.languages import Language, load_language
from winnerr_webhooks.settings_page.message_catalog import Catalog

CATALOG = r"""# A comment.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"

#: a.py
msgid "Say \"{word}\""
msgstr ""
"Dis "
"« {word} »\n"

#, fuzzy, python-brace-format
msgid "Save"
msgstr "Perhaps"

#: b.py
msgid "{count} event"
msgid_plural "{count} events"
msgstr[0] "{count} événement"
msgstr[1] "{count} événements"

msgctxt "verb"
msgid "Open"
msgstr "Ouvrir"

msgid "No <b>%(what)s</b>"
msgstr "Aucun <b>%(what)s</b>"

msgid "Limit {limit:,}, {seconds:g} s"
msgstr "Limite {limit:,}, {seconds:g} s"

msgid "Untranslated"
msgstr ""
"""


@pytest.fixture
def french() -> Language:
    return Language("fr", Catalog(CATALOG), Locale.parse("fr"))


def test_a_text_is_shown_in_its_translation(french):
    assert french.translate(Text('Say "{word}"', word="oui")) == "Dis « oui »\n"
    assert french.translate(Text("Untranslated")) == "Untranslated"
    assert french.translate(Text("Save")) == "Save"  # a fuzzy translation may be wrong
    assert french.translate("Save") == "Save"


def test_plurals_follow_the_rule_of_the_language(french):
    events = [counted("{count} event", "{count} events", n) for n in (0, 1, 2, 12_000)]
    assert [french.translate(text) for text in events] == [
        "0 événement", "1 événement", "2 événements", "12\u202f000 événements",
    ]  # fmt: skip
    assert french.plural_forms("{count} event", "{count} events")["one"] == "{count} événement"


def test_texts_inside_texts_are_translated_too(french):
    inner = counted("{count} event", "{count} events", 2)
    assert french.translate(Text('Say "{word}"', word=inner)) == "Dis « 2 événements »\n"
    assert french.translate(Sentences(inner, Text('Say "{word}"', word=1))) == (
        "2 événements Dis « 1 »\n"
    )


def test_numbers_in_texts_are_written_as_the_language_does(french):
    text = Text("Limit {limit:,}, {seconds:g} s", limit=2_048, seconds=2.5)
    assert text == "Limit 2,048, 2.5 s"
    assert french.translate(text) == "Limite 2\u202f048, 2,5 s"


def test_values_in_the_html_of_a_template_are_escaped(french):
    assert french.markup("No <b>%(what)s</b>", {"what": "<i>"}) == "Aucun <b>&lt;i&gt;</b>"
    assert french.markup("No <b>%(what)s</b>", {"what": 1_000}) == "Aucun <b>1\u202f000</b>"


def test_a_message_with_a_context_has_its_own_translation(french):
    assert french.markup_in_context("verb", "Open", {}) == "Ouvrir"
    assert french.markup("Open", {}) == "Open"


@pytest.mark.parametrize(
    ("tag", "number", "percent", "day"),
    [
        ("en", "1,204.5", "12%", "23 Nov"),
        ("de", "1.204,5", "12\xa0%", "23. Nov."),
        ("es", "1.204,5", "12\xa0%", "23 nov"),
        ("fr", "1\u202f204,5", "12\xa0%", "23 nov."),
        ("pt-BR", "1.204,5", "12%", "23 de nov."),
    ],
)
def test_numbers_and_dates_are_written_as_the_language_does(tag, number, percent, day):
    language = load_language(tag)
    assert language.number(1_204.5, 1) == number
    assert formatting.percent(language, 0.12) == percent
    assert language.day(datetime(2026, 11, 23, tzinfo=UTC), year=False) == day
    assert language.direction == "ltr"


def test_every_language_can_be_loaded():
    assert [load_language(tag).tag for tag in LANGUAGES] == list(LANGUAGES)


@pytest.mark.parametrize(
    ("tag", "written", "read"),
    [
        ("en", "1,204.5", "1204.5"),
        ("en", "0,5", "0,5"),
        ("de", "0,5", "0.5"),
        ("de", "0.5", "0.5"),
        ("de", "1.204,5", "1204.5"),
        ("fr", "1\u202f204,5", "1204.5"),
        ("fr", "1 204", "1204"),
        ("pt-BR", "x", "x"),
    ],
)
def test_a_number_in_a_field_is_read_as_the_language_writes_it(tag, written, read):
    assert load_language(tag).number_read(written) == read


@pytest.mark.parametrize(
    ("tag", "written", "read"),
    [
        ("en", "60, 0.5,600", "60, 0.5, 600"),
        ("en", "60; 600", "60, 600"),
        ("de", "0,5; 60;1.000", "0.5, 60, 1000"),
        ("de", "0,5, 60, ", "0.5, 60"),
        ("de", "1,5", "1.5"),
        ("de", "60,600,6000", "60,600,6000"),
        ("fr", "60; x", "60, x"),
    ],
)
def test_numbers_in_a_field_are_separated_by_what_no_number_of_the_language_has(tag, written, read):
    language = load_language(tag)
    assert language.numbers_read(written) == read
    assert language.numbers_read(language.numbers_written(read)) == read


def test_a_number_in_a_field_is_shown_without_groups():
    german = load_language("de")
    assert [german.number_written(one) for one in ("1204.5", "7", "1.2.3")] == [
        "1204,5", "7", "1.2.3",
    ]  # fmt: skip

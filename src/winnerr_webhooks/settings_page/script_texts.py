"""The texts of the page's scripts. A page gets their translations in a JSON block."""

from typing import Any, Final

from winnerr_webhooks.domain.language_choice import LANGUAGES
from winnerr_webhooks.domain.text import Text, counted
from winnerr_webhooks.settings_page.formatting import NOW, RELATIVE_TIMES
from winnerr_webhooks.settings_page.languages import Language

SCRIPT_TEXTS: Final = (
    NOW,
    *(text for _, past, future in RELATIVE_TIMES for text in (past, future)),
    Text("local"),
    Text("Attempt opened"),
    Text("Copied"),
    Text("Copy {text}"),
    Text("Press Ctrl+C to copy"),
    Text("The browser does not allow copying"),
    Text("Many new: reload"),
    Text("Many new attempts. Reload to see them."),
    counted("{count} new", "{count} new", 0),
    counted("{count} new attempt", "{count} new attempts", 0),
    counted("{count} new attempt shown", "{count} new attempts shown", 0),
    Text("Fold"),
    Text("Connecting"),
    Text("Pause"),
    Text("Reconnecting"),
    Text("Off: try again"),
    Text("In other tabs"),
    Text("Resume"),
    Text("This URL is allowed. A test event shows whether it answers."),
    Text("{selected} of {total} selected"),
    Text("Select all"),
    Text("Select none"),
    Text("{action} of {category}"),
    Text("A secret was generated. Copy it into your receiver."),
    Text("Condition {number}"),
    Text("Condition removed"),
    Text("A field is below data, such as data.stage, or it is event, timestamp or organizationId."),
    Text("Give a value. Two quotation marks stand for an empty text."),
    Text("A text that begins with a quotation mark must end with one."),
    Text("The service did not answer. Try again."),
)


def script_texts(language: Language) -> dict[str, Any]:
    """Return the translation of each text, or one for each plural category; empty in English."""
    if language.tag == LANGUAGES[0]:
        return {}
    return {
        text.template: language.say(text.template)
        if text.plural is None
        else language.plural_forms(text.template, text.plural)
        for text in SCRIPT_TEXTS
    }

"""A pseudo-language whose texts are in brackets: what a page shows without them is in no catalogue.

Other tests read the templates' sources. This one looks at what visitors see, so it also finds texts
that Python puts together, and those of values that a template prints.
"""

import re
from html.parser import HTMLParser

from babel.core import Locale
from tests import broken_receivers

from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.settings_page.languages import Language
from winnerr_webhooks.settings_page.message_catalog import Catalog
from winnerr_webhooks.storage.rehearsal_port import AnswerStart, RehearsalResult

WORDS = re.compile(r"[A-Za-z]{2,}")
SHOWN_ATTRIBUTES = {"aria-label", "title", "placeholder", "alt"}
VOID = ("input", "meta", "link", "br", "img", "use", "path", "circle", "rect", "line")


class Bracketed(Catalog):
    def gettext(self, message):
        return f"⟦{message}⟧"

    def ngettext(self, msgid1, msgid2, n):
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"

    def pgettext(self, context, message):
        return f"⟦{message}⟧"


class BareTexts(HTMLParser):
    """Collects the words of a page that are in no brackets and are no data."""

    DATA = ("code", "pre", "kbd", "time", "script", "style", "textarea")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.depth = 0
        self.inside: list[str] = []
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        for name in SHOWN_ATTRIBUTES & values.keys() if tag != "time" else ():
            depth, self.depth = self.depth, 0
            self.look(values[name] or "")
            self.depth = depth
        if tag in VOID:
            return
        classes = (values.get("class") or "").split()
        is_data = tag in self.DATA or "mono" in classes or "headers" in classes
        self.inside.append("data" if is_data else tag)

    def handle_endtag(self, tag):
        if self.inside:
            self.inside.pop()

    def handle_data(self, data):
        self.look(data)

    def look(self, text: str) -> None:
        bare = ""
        for character in text:
            self.depth += {"⟦": 1, "⟧": -1}.get(character, 0)
            if self.depth == 0 and "data" not in self.inside:
                bare += character
        self.found += [word for word in bare.split() if WORDS.search(word) and not is_data(word)]


CATALOG_WORDS = {
    word.strip(".,")
    for category, types in CATALOG.categories
    for text in (category, *(one.description for one in types))
    for word in text.split()
}
"""Of the names and descriptions of event types, which the product brings."""


def is_data(word: str) -> bool:
    """Whether it is an event, an id, an address or a name that the test invented."""
    return bool(re.search(r"[._:/\d]", word)) or word.strip("(),·") in {
        *CATALOG_WORDS,
        "UTC", "CSV", "NDJSON", "GET", "Winnerr", "Jane", "POST", "Made", "Up", "TLS",
        "Node", "Python", "Go", "PHP", "Ruby", "Java",
        "English", "Deutsch", "Español", "Français", "Português", "Brasil",
    }  # fmt: skip


URL = "http://127.0.0.1:9/new"


async def jobs(site, admin, own):
    """A recovery that goes on, and one that was stopped."""
    begun = await admin.post(f"{own}/recover", {"since": "2020-01-01T00:00"})
    path = begun.url.partition("/settings/webhooks")[2]
    await admin.post(f"{path}/cancel")
    while await site.storage.run_job_slice():
        pass
    return {"a job": begun, "a job that was stopped": await admin.get(path)}


async def rehearsals(site, admin, own):
    """One with its answers, one that was stopped, and a form that is refused."""
    pages = {"no rehearsal": await admin.post(f"{own}/rehearse", {"url": "x", "last": "0"})}
    for name in ("answered", "stopped"):
        begun = await admin.post(f"{own}/rehearse", {"url": URL, "last": "2"})
        path = begun.url.partition("/settings/webhooks")[2]
        pages[f"a rehearsal to be {name}"] = begun
        step = await site.storage.rehearsal_step(None, 30.0)
        late = "The receiver did not answer in time (10 s)."
        answers = [
            AnswerStart("failed", None, 9.0, late, b""),
            AnswerStart("succeeded", 200, 3.0, "", b"{}"),
        ]
        for answer in answers[: len(answers) if name == "answered" else 1]:
            result = RehearsalResult(
                rehearsal_id=step.rehearsal_id, position=step.position, answer=answer
            )
            step = await site.storage.rehearsal_step(result, 30.0)
        await admin.post(f"{path}/cancel")
        pages[f"a rehearsal that was {name}"] = await admin.get(path)
    return pages


async def check_reports(site, admin):
    """Of a receiver that has a fault, and of an address where none listens."""
    pages = {}
    async with broken_receivers.serving(broken_receivers.NoSignatureCheck) as receiver:
        for url in (receiver.url, URL):
            checked = await site.webhook(url=url, secret=broken_receivers.SECRET)
            pages[f"a check of {url}"] = await admin.post(f"/{checked.id}/check-receiver", {})
    return pages


async def test_every_text_of_every_page_is_translated(site):
    site.page.languages._loaded["en"] = Language("en", Bracketed(), Locale.parse("en_GB"))
    active = await site.webhook(generate_secret=True, description=None)
    for number in range(8):
        await site.webhook(url=f"http://127.0.0.1:9/{number}")
    (delivery, *_) = await site.event()
    failed = await site.settle(
        delivery, None, kind="timeout", message="The receiver did not answer in time (10 s).",
    )  # fmt: skip
    (delivery, other, *_) = await site.event()
    refused = await site.settle(
        delivery, 401, message="401 Made Up", happened="exhausted", body=b""
    )
    await site.settle(
        other, None, kind="timeout", message="The receiver did not answer in time (10 s)."
    )
    (delivery, *_) = await site.event()
    fine = await site.settle(delivery)
    event = delivery.event_id
    admin, viewer, stranger = site.browser(), site.browser(), site.browser()
    await admin.sign_in()
    await viewer.sign_in("viewer")
    own = f"/{active.id}"
    of_webhook = (
        "",
        "/deliveries",
        "/settings",
        "/signing",
        "/edit",
        "/delete",
        "/recover",
        "/rehearse",
        "/signature-check",
        "/test-event",
    )
    paths = {
        stranger: ("", "/sign-in/none", "/signed-out", "/no/such"),
        viewer: ("", "/logs", own, "/new", f"/logs/{failed}", f"/events/{event}", "/event-types"),
        admin: (
            "", "/?q=zzz", "/?status=paused", "/new", "/logs", "/logs?q=nothing",
            "/logs?status=x&event=y&since=z&until=z&trigger=z&slower=z", f"/logs?q={event}",
            "/activity", "/alerts", "/logs/replay",
            f"/logs/{failed}", f"/logs/{refused}", f"/logs/{fine}",
            "/wh_unknown", "/events/evt_unknown", f"/events/{event}", "/event-types",
            "/event-types/send?event=deal.created", f"{own}/check-receiver",
            *(own + path for path in of_webhook),
        ),
    }  # fmt: skip
    pages = {
        f"{number} {path}": await browser.get(path)
        for number, (browser, wanted) in enumerate(paths.items())
        for path in wanted
    }
    wrong = {"url": "http://10.0.0.1", "secret": "short", "name": "x" * 99, "timeout": "none"}
    pages["a form that is refused"] = await admin.post("/new", wrong)
    credentials = {"url": "https://127.0.0.1/", "events": "*", "auth": "bearer", "token": "a b"}
    for name, fields in {
        "headers": {"headers": "Host: x\nA B: c\nX-Ok: \x7f"},
        "no JSON": {"filter": "{"},
        "an unknown field": {"filter": '{"x": 1}'},
        "an unknown operator": {"filter": '{"data": {"$gtt": 1}}'},
        "an operand": {"filter": '{"data": {"$gt": [1]}}'},
    }.items():
        pages[name] = await admin.post("/new", credentials | fields)
    pages["a test that is refused"] = await admin.post(f"{own}/test-event", {"data": "{"})
    for body in ("{}", '{"event": "x"}', "[object Object]", "e30="):
        pages[f"a signature of {body}"] = await admin.post(
            f"{own}/signature-check", {"body": body, "headers": "ab" * 32, "secret": "a secret"}
        )
    alerts = {"emails": "nobody", "events": "webhook.fails", "language": "nl"}
    pages["alerts that are refused"] = await admin.post("/alerts", alerts)
    pages["alerts that are saved"] = await admin.post("/alerts", {"emails": "jane@example.com"})
    pages["compared"] = await admin.get(f"/logs/{refused}/compare")
    pages["nothing to compare"] = await admin.get(f"/logs/{fine}/compare")
    pages["a drawer"] = await admin.get(f"/logs/{failed}", headers={"X-Part": "attempt"})
    pages["a webhook that was added"] = await admin.post("/new", {"url": URL, "events": "*"})
    pages["a replay of many"] = await admin.post("/logs/replay", {"filters": ""})
    pages |= await jobs(site, admin, own) | await rehearsals(site, admin, own)
    pages |= await check_reports(site, admin)
    pages["a change of alerts"] = await admin.get("/activity?action=alerts.changed")
    pages["replayed"] = await admin.post(f"/events/{event}/replay", {"which": "all"})
    await admin.post(f"{own}/pause")
    pages["paused"] = await admin.get(own)
    pages["an event of a paused webhook"] = await admin.get(f"/events/{event}")
    bare = {name: found for name, page in pages.items() if (found := BareTexts(page.html).found)}
    assert "\n".join(f"{name}: {found}" for name, found in bare.items()) == ""

"""The parts of an attempt: answers decoded, raw bytes, JSON in colours, two attempts compared."""

import gzip
import threading

from winnerr_webhooks.settings_page import content_encodings

JSON = '{"reason": "überlastet", "list": [1, 2]}'


async def an_attempt(site, status=503, **fields):
    await site.webhook()
    (delivery,) = await site.event()
    return await site.settle(delivery, status, **fields)


async def test_a_compressed_answer_is_shown_as_its_text_and_its_bytes_can_be_had(site, admin):
    raw = gzip.compress(JSON.encode("cp1252"))
    head = b"Content-Type: application/json; charset=ISO-8859-1\r\nContent-Encoding: gzip\r\n"
    attempt = await an_attempt(site, body=raw, response_head=head)
    page = await admin.get(f"/logs/{attempt}")
    assert "überlastet" in page.text
    assert f"Decompressed from gzip: {len(JSON)} bytes." in page.text
    assert "The charset is iso-8859-1." in page.text
    (link,) = [one["href"] for one in page.all("a") if one["href"].endswith("/response-body")]
    async with admin.session.get(link) as answer:
        assert await answer.read() == raw
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_answer_that_cannot_be_decoded_says_why(site, admin):
    head = b"Content-Encoding: compress\r\n"
    attempt = await an_attempt(site, body=b"\x8b\x01", response_head=head)
    page = await admin.get(f"/logs/{attempt}")
    assert "The body is compressed with compress, which is not undone here." in page.text


async def test_compressed_answers_are_decoded_beside_the_requests_and_say_where_they_end(
    site, admin, monkeypatch
):
    decompress = content_encodings.decompress
    threads = set()

    def observed(*given):
        threads.add(threading.current_thread().name.rpartition("_")[0])
        return decompress(*given)

    monkeypatch.setattr(content_encodings, "decompress", observed)
    await site.webhook()
    (delivery,) = await site.event()
    answer = {
        "body": gzip.compress(gzip.compress(b"") * 10_000),
        "response_head": b"Content-Encoding: gzip, gzip\r\n",
    }
    await site.settle(delivery, 503, retry_in=0.0, **answer)
    (again,) = await site.claim()
    attempt = await site.settle(again, 503, **answer)
    page = await admin.get(f"/logs/{attempt}")
    assert "as text. Decompressed from gzip, gzip: 0 bytes. The rest is not shown." in page.text
    assert threads == {"settings-page"}
    threads.clear()
    await admin.get(f"/logs/{attempt}/compare")
    assert threads == {"settings-page"}


async def test_the_bytes_of_an_answer_are_only_for_its_organization(site, admin):
    attempt = await an_attempt(site)
    stranger = await site.browser().sign_in(organization="org_2")
    assert (await stranger.get(f"/logs/{attempt}/response-body")).status == 404
    assert (await stranger.get(f"/logs/{attempt}/compare")).status == 404


async def test_bodies_of_json_have_colours_and_every_part_can_be_copied(site, admin):
    head = b"Content-Type: application/json\r\n"
    attempt = await an_attempt(site, body=JSON.encode(), response_head=head)
    page = await admin.get(f"/logs/{attempt}")
    sent, got = page.all("pre", **{"class": "json"})
    assert (sent["id"], got["id"]) == (f"sent-{attempt}", f"got-{attempt}")
    assert page.all("span", **{"class": "json-key"})
    copied = {one["data-copy"] for one in page.all("button") if "data-copy" in one}
    parts = ("url", "sent-headers", "sent", "body", "curl", "got-headers", "got")
    assert {f"#{part}-{attempt}" for part in parts} <= copied
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {one.removeprefix("#") for one in copied} <= ids


async def test_only_the_part_for_the_log_has_a_button_that_closes_it(site, admin):
    attempt = await an_attempt(site)
    part = await admin.get(f"/logs/{attempt}", headers={"X-Part": "attempt"})
    assert part.has_button("Close esc")
    assert not part.all("html")
    assert not (await admin.get(f"/logs/{attempt}")).has_button("Close esc")


async def test_two_attempts_of_a_delivery_are_compared_by_what_differs(site, admin):
    await site.webhook()
    (delivery,) = await site.event()
    first = await site.settle(delivery, 503, body=b"a\nb", retry_in=0.0)
    (again,) = await site.claim()
    second = await site.settle(
        again, 200, body=b"a\nc", response_head=b"content-type: text/plain\r\nvia: x\r\n"
    )
    assert (await admin.get(f"/logs/{second}")).all(
        "a", href=f"/settings/webhooks/logs/{second}/compare"
    )
    page = await admin.get(f"/logs/{second}/compare")
    assert page.all("option", value=first)[0].keys() >= {"selected"}
    assert "503 Made Up" in page.text
    assert "200 Made Up" in page.text
    assert "The same in both." in page.text  # the request body
    for shown in ("<del>c</del>", "<ins>b</ins>", "<del>text/plain</del>", "<ins>text/html</ins>"):
        assert shown in page.html
    turned = await admin.get(f"/logs/{first}/compare?other={second}")
    assert "<del>b</del>" in turned.html


async def test_attempts_of_two_webhooks_of_an_event_are_compared_too(site, admin):
    one = await site.webhook(url="http://127.0.0.1:9/one")
    two = await site.webhook(url="http://127.0.0.1:9/two")
    made = {item.webhook_id: await site.settle(item, 503) for item in await site.event()}
    other = await site.settle((await site.event())[0], 503)
    page = await admin.get(f"/logs/{made[one.id]}/compare?other={other}")
    assert [option["value"] for option in page.all("option")] == [made[two.id]]
    assert page.text.count("attempt 1 of 4 http://127.0.0.1:9/two") == 3  # above each table


async def test_without_another_attempt_there_is_nothing_to_compare(site, admin):
    attempt = await an_attempt(site)
    page = await admin.get(f"/logs/{attempt}/compare?other=nonsense")
    assert "There is no other attempt" in page.text

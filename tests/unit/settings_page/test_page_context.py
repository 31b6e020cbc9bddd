"""Answers while the node stops, and forms that browsers break off."""

import asyncio

import structlog
from yarl import URL


async def test_a_slow_page_is_still_answered_while_the_node_stops(site, admin):
    await site.webhook()
    attempt = await site.settle((await site.event())[0], 503)
    site.page.stop()
    for path in ("/logs", f"/logs/{attempt}"):
        page = await admin.get(path)
        assert page.status == 200
        assert "503 Made Up" in page.text


async def test_a_form_that_is_broken_off_logs_no_error(site, admin):
    page = await admin.get()
    cookies = admin.session.cookie_jar.filter_cookies(URL(page.url))
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    read = asyncio.Event()
    auth = site.page.auth
    check = auth.check_origin

    def check_and_signal(headers):
        check(headers)
        read.set()

    auth.check_origin = check_and_signal
    with structlog.testing.capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(
            f"POST /settings/webhooks/new HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n"
            "Sec-Fetch-Site: same-origin\r\nContent-Length: 9999\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\n\r\ncsrf={page.csrf}".encode()
        )
        await read.wait()
        writer.close()
        await writer.wait_closed()
        assert (await admin.get()).status == 200  # the server has seen the end by now
    assert [line for line in logs if line["log_level"] == "error"] == []

"""`login-link`: a link to the settings page, created while the server runs."""

import re

import aiohttp
import pytest


@pytest.mark.asyncio(loop_scope="session")
async def test_beside_a_running_server_a_link_is_printed_alone_and_opens_the_page_once(server):
    public = f"http://127.0.0.1:{server.port}"
    words = ("login-link", "--organization", "org_1", "--user", "Jane", "--public-url", public)
    code, out, err = await server.command(*words)
    assert code == 0, err
    assert re.fullmatch(re.escape(public) + r"/settings/webhooks/sign-in/[A-Za-z0-9_-]{43}\n", out)
    link = out.strip()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(link) as door:
            assert "Sign in" in await door.text()
        async with browser.post(link) as page:
            assert page.status == 200
            assert str(page.url) == f"{public}/settings/webhooks"
            assert "Jane" in await page.text()
        async with browser.post(link) as over:
            assert over.status == 410
    assert link.rpartition("/")[2] not in "".join(server.log)


@pytest.mark.parametrize(
    "words", [["--organization", "org 1"], ["--organization", "o", "--role", "owner"]]
)
def test_a_wrong_organization_or_role_is_one_line_and_exit_code_2(run, words):
    done = run("login-link", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.asyncio(loop_scope="session")
async def test_a_live_log_does_not_delay_the_shutdown(make_server):
    server = await make_server()
    _, out, _ = await server.command(
        "login-link", "--organization", "org_1", "--public-url", f"http://127.0.0.1:{server.port}"
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.post(out.strip()) as page:
            assert page.status == 200
        url = f"http://127.0.0.1:{server.port}/settings/webhooks/logs/stream"
        async with browser.get(url) as tail:
            assert tail.status == 200
            await tail.content.readline()
            began = tail._loop.time()
            assert await server.terminate() == 0
            assert tail._loop.time() - began < 20

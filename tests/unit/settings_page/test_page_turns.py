"""Turns: many viewers of one organization do not delay the viewers of another."""

import asyncio

import pytest

from winnerr_webhooks.storage import fair_semaphore

PATHS = ("/logs", "/")


async def wait_for_waiting(site, count):
    while sum(map(len, site.page._turns._waiting.values())) < count:
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_waits_for_one_page_of_another_organization_but_not_for_all(
    site, monkeypatch, path
):
    """Given 20 waiting viewers of one organization, a viewer of another is among the first."""
    many = await site.browser().sign_in("viewer", "org_1")
    one = await site.browser().sign_in("viewer", "org_2")
    made = []
    render = site.page.render

    def rendered(template, visitor, /, **values):
        made.append(visitor.organization)
        return render(template, visitor, **values)

    async with site.page.turn("org_3"):
        viewers = [asyncio.ensure_future(many.get(path)) for _ in range(20)]
        await wait_for_waiting(site, 20)
        viewers.append(asyncio.ensure_future(one.get(path)))
        await wait_for_waiting(site, 21)
        monkeypatch.setattr(site.page, "render", rendered)
    assert [document.status for document in await asyncio.gather(*viewers)] == [200] * 21
    assert made.index("org_2") <= 1


async def test_a_page_that_gets_no_turn_in_time_is_answered_503(site, admin, monkeypatch):
    monkeypatch.setattr(fair_semaphore, "WAIT_SECONDS", 0.01)
    async with site.page.turn("org_3"):
        document = await admin.get("/logs")
    assert document.status == 503
    assert "Try again" in document.text
    assert site.page.budgets.pages.refused == 1


async def test_a_slow_search_does_not_delay_other_pages(site, admin, monkeypatch):
    """Given a search that does not end, the log without a search is shown."""
    begun, end = asyncio.Event(), asyncio.Event()
    log = site.storage.log

    async def slow(query):
        if query.is_search:
            begun.set()
            await end.wait()
        return await log(query)

    monkeypatch.setattr(site.storage, "log", slow)
    searching = asyncio.ensure_future(admin.get("/logs?q=x"))
    await begun.wait()
    assert (await admin.get("/logs")).status == 200
    end.set()
    assert (await searching).status == 200


async def test_visitors_are_recognized_while_all_reads_are_taken(site, admin):
    """Given that other organizations hold all reads, a page still recognizes its visitor."""
    reads = site.storage._reads
    async with reads.slot("org_7"), reads.slot("org_8"):
        assert (await admin.get("/new")).status == 200

"""The list of webhooks: search, chips of statuses with counts, failing first, 50 a page."""

import re

from winnerr_webhooks.settings_page.webhook_selection import ListQuery

BASE = "/settings/webhooks"


def shown(page):
    """The webhooks on a page, by the names that the list gives them."""
    return re.findall(r'class="(?:mono )?two-lines" href="[^"]*"[^>]*>([^<]+)', page.html)


def chips(page):
    found = re.search(r'class="status-chips">(.*?)</ul>', page.html, re.DOTALL)[1]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found)).strip()


async def webhooks(site, count):
    for number in range(count):
        await site.webhook(
            url=f"http://127.0.0.1:9/hook{number}",
            name=f"Hook {number}",
            description="Sales" if number % 2 else "Finance",
        )


async def test_a_short_list_has_no_search(site, admin):
    await webhooks(site, 5)
    page = await admin.get()
    assert not page.all("input", type="search")
    assert len(shown(page)) == 5


async def test_names_urls_and_descriptions_are_searched_whatever_their_case(site, admin):
    await webhooks(site, 8)

    assert shown(await admin.get("?q=hook+3")) == ["Hook 3"]
    assert shown(await admin.get("?q=HOOK7")) == ["Hook 7"]
    assert len(shown(await admin.get("?q=sales"))) == 4
    page = await admin.get("?q=nothing+like+it")
    assert "None of the 8 webhooks matches." in page.text
    assert page.all("input", type="search")[0]["value"] == "nothing like it"


async def test_chips_count_what_the_search_found_and_narrow_to_a_status(site, admin):
    await webhooks(site, 6)
    failing = await site.webhook(events=["deal.created"], name="Broken", url="http://127.0.0.1:9/x")
    paused = await site.webhook(events=["task.created"], name="Off", url="http://127.0.0.1:9/y")
    await admin.post(f"/{paused.id}/pause")
    for delivery in await site.event("deal.created"):
        await site.settle(delivery, 503 if delivery.webhook_id == failing.id else 200)

    page = await admin.get()
    assert chips(page) == "All 8 Active 6 Failing 1 Paused 1 Disabled 0"
    assert shown(page)[0] == "Broken"
    assert shown(await admin.get("?status=failing")) == ["Broken"]
    assert shown(await admin.get("?status=paused")) == ["Off"]
    found = await admin.get("?q=127.0.0.1&status=disabled")
    assert chips(found) == "All 8 Active 6 Failing 1 Paused 1 Disabled 0"
    assert found.all("input", name="status", value="disabled")


async def test_a_long_list_has_pages_of_50_in_order_of_creation(site, admin):
    await webhooks(site, 120)

    first = await admin.get()
    assert shown(first) == [f"Hook {number}" for number in range(50)]
    assert "1 to 50 of 120" in first.text
    (following,) = [a["href"] for a in first.all("a", rel="next")]
    second = await admin.get(following)
    assert shown(second)[0] == "Hook 50"
    assert [a["href"] for a in second.all("a", rel="prev")] == [BASE]
    last = await admin.get("?page=99")
    assert "101 to 120 of 120" in last.text
    assert not last.all("a", rel="next")
    assert shown(await admin.get("?page=x&status=y")) == shown(first)


def test_links_keep_the_search_and_leave_out_what_is_usual():
    query = ListQuery.read({"q": " crm ", "status": "failing", "page": "3"})
    assert query.link() == "?q=crm&status=failing"
    assert query.link(page=2) == "?q=crm&status=failing&page=2"
    assert query.link(status="") == "?q=crm"
    assert ListQuery.read({"page": "0"}).link() == ""


async def test_the_list_is_sorted_as_asked_and_failing_first_otherwise(site, admin):
    made = {
        name: await site.webhook(url=f"http://127.0.0.1:9/{name}", name=name)
        for name in ("beta", "Alpha", "gamma", "delta", "eps", "zeta")
    }

    async def sent(name, status):
        for delivery in await site.event():
            if delivery.webhook_id == made[name].id:
                await site.settle(delivery, status)

    await sent("delta", 200)
    await sent("gamma", 503)
    await sent("beta", 200)
    order = ["beta", "Alpha", "gamma", "delta", "eps", "zeta"]
    assert shown(await admin.get()) == ["gamma", *(one for one in order if one != "gamma")]
    by_name = await admin.get("?sort=name")
    assert shown(by_name) == ["Alpha", "beta", "delta", "eps", "gamma", "zeta"]
    assert by_name.all("option", value="name")[0].keys() >= {"selected"}
    assert shown(await admin.get("?sort=newest")) == order[::-1]
    assert shown(await admin.get("?sort=last"))[:3] == ["beta", "gamma", "delta"]
    assert shown(await admin.get("?sort=rate"))[:3] == ["gamma", "beta", "delta"]
    assert shown(await admin.get("?sort=nonsense"))[0] == "gamma"
    chip = next(a["href"] for a in by_name.all("a") if "status=active" in a["href"])
    assert "sort=name" in chip

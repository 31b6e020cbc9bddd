"""What every view stands on, while the node stops."""


async def test_a_long_page_is_still_answered_while_the_node_stops(site, admin):
    await site.webhook()
    attempt = await site.settle((await site.event())[0], 503)
    site.page.stop()
    for path in ("/logs", f"/logs/{attempt}"):
        page = await admin.get(path)
        assert page.status == 200
        assert "503 Made Up" in page.text

"""Pages of the log (the walk itself is in `test_reach`, its rules in the contract)."""

from winnerr_webhooks.storage.values import LogFilter


async def test_an_empty_log_has_an_empty_page(storage) -> None:
    page = await storage.log(LogFilter(organization="org_1", text="x"))
    assert (page.items, page.next) == ([], None)

"""Error pages say what happened and what to do."""

import pytest
import structlog

from winnerr_webhooks.domain.errors import Unavailable, Uncertain


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unavailable("The database is away.", 2), "Nothing was changed. Try again in a moment."),
        (Uncertain("The database was lost.", 2), "Check whether it was saved before you try again"),
    ],
)
async def test_a_503_says_whether_the_change_may_have_been_saved(
    site, admin, monkeypatch, error, text
):
    webhook = await site.webhook()

    async def fail(*_):
        raise error

    monkeypatch.setattr(site.page.webhooks, "change", fail)
    page = await admin.post(f"/{webhook.id}/pause")
    assert page.status == 503
    assert page.headers["Retry-After"] == "5"
    assert error.detail in page.text
    assert text in page.text


async def test_a_viewer_who_needs_the_admin_role_is_told_so(viewer):
    page = await viewer.get("/new")
    assert page.status == 403
    assert "You need the admin role for this" in page.text


async def test_an_unexpected_error_shows_the_id_that_is_in_the_log(site, admin, monkeypatch):
    async def fail(*_):
        raise RuntimeError("unexpected")

    monkeypatch.setattr(site.page.webhooks, "list", fail)
    with structlog.testing.capture_logs() as lines:
        page = await admin.get()
    assert page.status == 500
    (line,) = [one for one in lines if one["log_level"] == "error"]
    assert line["error_id"] in page.text
    assert "unexpected" not in page.text.replace("unexpected error", "")

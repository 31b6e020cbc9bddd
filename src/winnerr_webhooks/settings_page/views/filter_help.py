"""What the filter builder of the webhook form asks for: fields to choose from, and a test."""

from litestar import Response, post

from winnerr_webhooks.domain.errors import Invalid
from winnerr_webhooks.management.filter_tests import FilterTestDraft
from winnerr_webhooks.settings_page.filter_paths import suggested_paths
from winnerr_webhooks.settings_page.forms import FormErrors
from winnerr_webhooks.settings_page.page_context import PageDependency, PageRequest, form_of


@post("/filter-paths", status_code=200)
async def suggest(page: PageDependency, request: PageRequest) -> dict[str, list[str]]:
    """Return the fields of the payload of these `events`; without any, those of all event types."""
    return {"paths": suggested_paths(page.catalog, form_of(request).all("events"))}


@post("/filter-test", status_code=200)
async def test(page: PageDependency, request: PageRequest) -> Response[str]:
    """Say which of the last events match a filter, or what is wrong with it."""
    form = form_of(request)
    draft = FilterTestDraft(filter=form.text("filter") or "null", events=form.all("events") or None)
    trial, problem = None, None
    try:
        trial = await page.webhooks.test_filter(request.auth.organization, draft)
    except Invalid as refusal:
        problem = next(iter(FormErrors(refusal).by_field.values()))
    return page.answer("filter_trial.html", request.auth, trial=trial, problem=problem)


ROUTES = (suggest, test)

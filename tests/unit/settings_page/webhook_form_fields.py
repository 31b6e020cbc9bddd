"""A webhook's form as tests fill it in, and the webhook that it makes."""

FORM = {"url": "http://127.0.0.1:9/hook", "events": "contact.created"}


async def only_webhook(site):
    (webhook,) = await site.page.webhooks.list("org_1")
    return webhook

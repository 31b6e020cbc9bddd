"""Receive in Django.

    from django.http import HttpResponse
    from winnerr_webhooks_sdk import Webhook
    from winnerr_webhooks_sdk.django import receives

    webhook = Webhook(settings.WINNERR_WEBHOOK_SECRET)

    @receives(webhook)
    def receive(request, event):
        return HttpResponse()

To answer in your own way: `event = verify(webhook, request)`, in a view that is `csrf_exempt`.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Union

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt

from winnerr_webhooks_sdk.event import Event, PayloadError
from winnerr_webhooks_sdk.verification import VerificationError, Webhook

View = Callable[..., Any]


def verify(webhook: Webhook, request: HttpRequest) -> Event:
    """Return the event of a request; `VerificationError` if it is not genuine.

    `RuntimeError` if something has read the request's stream before, for then the raw body is
    gone.
    """
    try:
        body = request.body
    except RawPostDataException as error:
        raise RuntimeError(
            "The raw body is gone: something read request.read() or request.POST before. Verify "
            "first, and leave this view out of middleware that reads bodies."
        ) from error
    return webhook.verify(body, request.headers)


def receives(webhook: Webhook) -> Callable[[View], View]:
    """Make a view of a function of the request and its verified event.

    The view takes POST without a CSRF token, and answers 401 with the reason in words to a request
    that is not genuine. The sender's log shows this answer to its customer.
    """

    def decorate(function: View) -> View:
        @functools.wraps(function)
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            try:
                event = verify(webhook, request)
            except (VerificationError, PayloadError) as error:
                return _refusal(error)
            return function(request, event, *args, **kwargs)

        exempt: View = csrf_exempt(view)
        return exempt

    return decorate


def _refusal(error: Union[VerificationError, PayloadError]) -> HttpResponse:
    status = 401 if isinstance(error, VerificationError) else 422
    return HttpResponse(str(error), status=status, content_type="text/plain; charset=utf-8")

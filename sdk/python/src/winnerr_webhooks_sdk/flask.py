"""Receive in Flask.

    from flask import Flask
    from winnerr_webhooks_sdk import Webhook
    from winnerr_webhooks_sdk.flask import receives

    app = Flask(__name__)
    webhook = Webhook(secret)

    @app.post("/hooks/winnerr")
    @receives(webhook)
    def receive(event):
        return "", 204

To answer in your own way: `event = verify(webhook)` inside a view.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

from flask import Request, Response
from flask import request as current_request

from winnerr_webhooks_sdk.event import Event, PayloadError
from winnerr_webhooks_sdk.verification import VerificationError, Webhook

View = Callable[..., Any]


def verify(webhook: Webhook, request: Optional[Request] = None) -> Event:
    """Return the event of a request, the current one if none is given.

    `VerificationError` if it is not genuine. The body may be read again afterwards.
    """
    request = current_request if request is None else request
    return webhook.verify(request.get_data(cache=True), request.headers)


def receives(webhook: Webhook) -> Callable[[View], View]:
    """Make a view of a function of the verified event.

    The view answers 401 with the reason in words to a request that is not genuine. The sender's
    log shows this answer to its customer.
    """

    def decorate(function: View) -> View:
        @functools.wraps(function)
        def view(*args: Any, **kwargs: Any) -> Any:
            try:
                event = verify(webhook)
            except VerificationError as error:
                return Response(str(error), 401, mimetype="text/plain")
            except PayloadError as error:
                return Response(str(error), 422, mimetype="text/plain")
            return function(event, *args, **kwargs)

        return view

    return decorate

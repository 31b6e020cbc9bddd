"""Receive in Starlette and FastAPI.

    from typing import Annotated
    from fastapi import Depends, FastAPI
    from winnerr_webhooks_sdk import Event, Webhook
    from winnerr_webhooks_sdk.starlette import verified_event

    app = FastAPI()
    webhook = Webhook(secret)

    @app.post("/hooks/winnerr")
    def receive(event: Annotated[Event, Depends(verified_event(webhook))]) -> None: ...

In Starlette, or to answer in your own way: `event = await verify(webhook, request)`.
"""

# No `from __future__ import annotations`: FastAPI evaluates the annotations of a dependency.
from typing import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request

from winnerr_webhooks_sdk.event import Event, PayloadError
from winnerr_webhooks_sdk.verification import VerificationError, Webhook


async def verify(webhook: Webhook, request: Request) -> Event:
    """Return the event of a request; `VerificationError` if it is not genuine.

    The body may be read again afterwards. A middleware that reads it first has to hand it on.
    """
    return webhook.verify(await request.body(), request.headers.raw)


def verified_event(webhook: Webhook) -> Callable[[Request], Awaitable[Event]]:
    """Make a dependency of FastAPI: the verified event, or 401 with the reason in words.

    The sender's log shows that answer to its customer, who reads there what to do.
    """

    async def dependency(request: Request) -> Event:
        try:
            return await verify(webhook, request)
        except VerificationError as error:
            raise HTTPException(401, str(error)) from error
        except PayloadError as error:
            raise HTTPException(422, str(error)) from error

    return dependency

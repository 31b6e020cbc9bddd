"""The operations for those who run the service or read about it."""

from typing import Final

from winnerr_webhooks.api import shapes
from winnerr_webhooks.api.docs.operation import Operation
from winnerr_webhooks.api.problems import UNAVAILABLE

SERVICE: Final = (
    Operation(
        method="get",
        path="/healthz",
        id="healthz",
        tag="Operation",
        summary="Is the process up?",
        answer=shapes.StatusShape,
        answer_example={"status": "ok"},
        key=False,
    ),
    Operation(
        method="get",
        path="/readyz",
        id="readyz",
        tag="Operation",
        summary="Can events be accepted?",
        text="503 says why not. `warnings` is there when somebody should see to something although "
        "all works still.",
        answer=shapes.StatusShape,
        answer_example={"status": "ready"},
        refusals=(UNAVAILABLE,),
        key=False,
    ),
    Operation(
        method="get",
        path="/metrics",
        id="metrics",
        tag="Operation",
        summary="Figures for Prometheus",
        media_type="text/plain",
        key=False,
    ),
    Operation(
        method="get",
        path="/api/openapi.json",
        id="openapi",
        tag="Operation",
        summary="This API as an OpenAPI 3.1 document",
        key=False,
    ),
    Operation(
        method="get",
        path="/api/docs",
        id="docs",
        tag="Operation",
        summary="This API as a page to read",
        media_type="text/html",
        key=False,
    ),
)

"""The operations for operators, and those that describe the API."""

from typing import Final

from winnerr_webhooks.api.docs.operation import Operation
from winnerr_webhooks.api.probes import StatusShape
from winnerr_webhooks.api.problems import UNAVAILABLE

SERVICE: Final = (
    Operation(
        method="get",
        path="/healthz",
        id="healthz",
        tag="Operation",
        summary="Is the process up?",
        answer=StatusShape,
        answer_example={"status": "ok"},
        needs_key=False,
    ),
    Operation(
        method="get",
        path="/readyz",
        id="readyz",
        tag="Operation",
        summary="Can events be accepted?",
        description="If not, the answer is 503 with the reason. `warnings` lists what an operator "
        "should act on before it becomes a problem.",
        answer=StatusShape,
        answer_example={"status": "ready"},
        refusals=(UNAVAILABLE,),
        needs_key=False,
    ),
    Operation(
        method="get",
        path="/metrics",
        id="metrics",
        tag="Operation",
        summary="Metrics for Prometheus",
        media_type="text/plain",
        needs_key=False,
    ),
    Operation(
        method="get",
        path="/api/openapi.json",
        id="openapi",
        tag="Operation",
        summary="This API as an OpenAPI 3.1 document",
        needs_key=False,
    ),
    Operation(
        method="get",
        path="/api/docs",
        id="docs",
        tag="Operation",
        summary="This API as an HTML page",
        media_type="text/html",
        needs_key=False,
    ),
)

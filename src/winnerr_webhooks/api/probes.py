"""`/healthz`, `/readyz` and `/metrics`, for operators. They need no key.

They are plain ASGI, so a node answers them before it has loaded Litestar (`api.deferred_app`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec

from winnerr_webhooks.api.asgi_response import Send, send_problem, send_response
from winnerr_webhooks.api.problems import answer_to, method_not_allowed
from winnerr_webhooks.domain.errors import Unavailable
from winnerr_webhooks.ids import Ids
from winnerr_webhooks.metrics import Metrics
from winnerr_webhooks.storage.port import Storage

DATABASE_TIMEOUT: Final = 3.0
"""Seconds that the database has to answer. Probes and scrapers usually wait for ten."""
METRICS_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Readiness(Protocol):
    """Knows whether the node can work."""

    def readiness(self) -> str | None:
        """None when the node accepts events; else a sentence that says why not."""
        ...


class PeerMetrics(Protocol):
    """Metrics of all processes that serve on the same port (`processes.peer_metrics`)."""

    async def render_all(self, own: bytes) -> bytes:
        """This process's own metrics and those of the others; each sample names its process."""
        ...


class StatusShape(msgspec.Struct, frozen=True):
    """The answer of a probe when all is well."""

    status: str
    warnings: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Only of `/readyz`: what an operator should act on before it becomes a problem."""


class Probes:
    """Answers GET at the three paths (ASGI)."""

    def __init__(
        self,
        *,
        node: Readiness,
        storage: Storage,
        metrics: Metrics,
        peer_metrics: PeerMetrics | None,
        ids: Ids,
    ) -> None:
        """`peer_metrics`: of the other processes on this port; None: there are none."""
        self._node = node
        self._storage = storage
        self._metrics = metrics
        self._peer_metrics = peer_metrics
        self._ids = ids
        self._answers: dict[str, tuple[Callable[[], Awaitable[bytes]], bytes]] = {
            "/healthz": (self._health, b"application/json"),
            "/readyz": (self._readiness, b"application/json"),
            "/metrics": (self._render_metrics, METRICS_TYPE),
        }

    def has(self, path: str) -> bool:
        """Whether this path is one of a probe."""
        return path.rstrip("/") in self._answers

    async def __call__(self, scope: Any, _receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "GET":
            await send_problem(send, method_not_allowed("GET, HEAD"))
            return
        answer, content_type = self._answers[scope["path"].rstrip("/")]
        try:
            body = await answer()
        except Exception as error:  # noqa: BLE001  whatever it is, the caller gets an answer
            await send_problem(send, answer_to(error, self._ids))
        else:
            await send_response(send, HTTPStatus.OK, body, content_type)

    async def _health(self) -> bytes:
        """Report that the process is up. This does not look at the database."""
        return msgspec.json.encode(StatusShape(status="ok"))

    async def _readiness(self) -> bytes:
        """Report that the node can do its work now; raises `Unavailable` with the reason if not."""
        reason = self._node.readiness()
        if reason is not None:
            raise Unavailable(reason)
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                await self._storage.check()
        except TimeoutError:
            raise Unavailable(
                f"The database did not answer within {DATABASE_TIMEOUT:g} s."
            ) from None
        return msgspec.json.encode(
            StatusShape(status="ready", warnings=self._storage.warnings() or msgspec.UNSET)
        )

    async def _render_metrics(self) -> bytes:
        """Metrics for Prometheus. Those of the database keep their last values while it is away."""
        await self._update_database_metrics()
        own = self._metrics.render_process()
        shown = own if self._peer_metrics is None else await self._peer_metrics.render_all(own)
        return shown + self._metrics.render_database()

    async def _update_database_metrics(self) -> None:
        outbox = self._storage.outbox
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                figures = await self._storage.figures()
                of_outbox = await outbox.figures() if outbox is not None else None
        except (Unavailable, TimeoutError):
            return
        self._metrics.set_database_status(
            pending=figures.pending,
            oldest_pending_age=figures.oldest_pending_age,
            lanes_waiting=figures.lanes,
            jobs=figures.jobs,
            size=figures.bytes,
        )
        if of_outbox is not None:
            self._metrics.set_outbox_status(
                waiting=of_outbox.waiting,
                oldest_age=of_outbox.oldest_age,
                refused=of_outbox.refused,
            )

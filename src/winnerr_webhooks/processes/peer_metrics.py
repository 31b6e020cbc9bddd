"""Metrics of processes that serve together: each tells its own, the one that is asked shows all.

A scraper reaches any of them. So each also listens on a Unix socket in the folder they share,
where it writes its own metrics to whoever connects; the process that was asked puts them side by
side, with a label `process`. One that does not answer in time is left out.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from winnerr_webhooks.processes.worker_context import WorkerContext

PATIENCE: Final = 1.0
"""Seconds a sibling has to tell its metrics: one that is stopped must not hold up the answer."""
LABEL: Final = "process"


class PeerMetrics:
    """The processes that serve on the same port, as one of them sees them."""

    def __init__(self, worker: WorkerContext, render: Callable[[], bytes]) -> None:
        """Tell others what `render` gives."""
        self._membership = worker
        self._socket = worker.socket
        self._render = render
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen to peer_metrics; the socket of a process of this number that died is replaced."""
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        self._server = await asyncio.start_unix_server(self._tell, str(self._socket))

    async def close(self) -> None:
        """Tell nothing more; the last orphan takes the folder along, as its supervisor cannot."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):
            self._socket.unlink()
        if self._membership.orphaned:
            with contextlib.suppress(OSError):  # others are still there
                self._socket.parent.rmdir()

    async def together(self, own: bytes) -> bytes:
        """This process's metrics and those of all others that answer, in the text format."""
        others = [path for path in self._socket.parent.glob("*.sock") if path != self._socket]
        told = await asyncio.gather(*map(_ask, others))
        texts = {
            path.stem: text for path, text in zip(others, told, strict=True) if text is not None
        }
        return merge_metrics(texts | {str(self._membership.number): own})

    async def _tell(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(self._render())
            async with asyncio.timeout(PATIENCE):
                await writer.drain()
        writer.close()


def merge_metrics(texts: Mapping[str, bytes]) -> bytes:
    """Metrics by process, in the text format, as one text: each sample with its process's label."""
    registry = CollectorRegistry()
    registry.register(_Merged(texts))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = dict(sorted(texts.items(), key=lambda item: int(item[0])))

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for process, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                merged = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                merged.samples += [
                    sample._replace(labels={**sample.labels, LABEL: process})
                    for sample in family.samples
                ]
        yield from families.values()


async def _ask(path: Path) -> bytes | None:
    """What a sibling tells; None when it does not."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                text = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None  # it died and is being started again, or it hangs
    if not text.endswith(b"\n"):
        return None  # it died while it told
    return text

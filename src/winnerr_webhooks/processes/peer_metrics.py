"""Shows the metrics of all worker processes, whichever of them is asked.

A scraper reaches any worker of the port. So each worker also serves its own metrics on a Unix
socket in a shared folder. The worker that was asked reads those of its peers and adds the label
`process`. A peer that does not answer in time is left out.
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

PEER_SECONDS: Final = 1.0
"""How long a peer has to answer, so that a stopped process does not delay the scrape."""
LABEL: Final = "process"


class PeerMetrics:
    """Serves this worker's metrics to its peers, and collects theirs."""

    def __init__(self, worker: WorkerContext, render: Callable[[], bytes]) -> None:
        """`render` returns this worker's own metrics in the text format."""
        self._worker = worker
        self._socket = worker.socket
        self._render = render
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on the socket; one left by a dead worker with the same number is replaced."""
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        self._server = await asyncio.start_unix_server(self._serve, str(self._socket))

    async def close(self) -> None:
        """Stop listening. If the supervisor is dead, the last worker removes the folder."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):
            self._socket.unlink()
        if self._worker.orphaned:
            with contextlib.suppress(OSError):  # other workers are still there
                self._socket.parent.rmdir()

    async def render_all(self, own: bytes) -> bytes:
        """Return the metrics of this worker (`own`) and of all peers that answer, as one text."""
        peers = [path for path in self._socket.parent.glob("*.sock") if path != self._socket]
        answers = await asyncio.gather(*map(_read_metrics, peers))
        texts = {
            path.stem: text for path, text in zip(peers, answers, strict=True) if text is not None
        }
        return merge_metrics(texts | {str(self._worker.number): own})

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(self._render())
            async with asyncio.timeout(PEER_SECONDS):
                await writer.drain()
        writer.close()


def merge_metrics(texts: Mapping[str, bytes]) -> bytes:
    """Merge metrics in the text format, by process, into one text; each sample gets a label."""
    registry = CollectorRegistry()
    registry.register(_MergedCollector(texts))
    return generate_latest(registry)


class _MergedCollector(Collector):
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


async def _read_metrics(path: Path) -> bytes | None:
    """Return the metrics of a peer, or None if it does not answer."""
    try:
        async with asyncio.timeout(PEER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                text = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None  # it died and is being restarted, or it hangs
    if not text.endswith(b"\n"):
        return None  # it died while writing
    return text

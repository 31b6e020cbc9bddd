"""Loads the catalogue that the settings name, and reads its file again on SIGHUP."""

import asyncio
import signal

import structlog

from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.catalog import Catalog
from winnerr_webhooks.domain.default_catalog import CATALOG
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.settings_table import PREFIX

log = structlog.get_logger(__name__)


def load_catalog(config: Config) -> Catalog:
    """Return the catalogue of EVENT_CATALOG, or the default one.

    Raises `ConfigurationError` that names the setting, the file, the place and the remedy.
    """
    if not config.event_catalog:
        return CATALOG
    from winnerr_webhooks.event_catalog.catalog_file import (  # noqa: PLC0415  few have a file
        CatalogFileError,
        read_catalog,
    )

    try:
        return read_catalog(config.event_catalog, config.validate_data)
    except CatalogFileError as error:
        raise ConfigurationError(f"{PREFIX}EVENT_CATALOG: {error}.") from None


class LiveCatalog:
    """A node's catalogue: loaded at the start, and exchanged on SIGHUP.

    The file is read in a thread, and the exchange is one step between two calls: none is lost, and
    each is checked against one of the two catalogues. A file with a mistake changes nothing.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._path = config.event_catalog
        self._asked = asyncio.Event()
        self._catalog = CATALOG
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Catalog:
        """Load the catalogue, and take SIGHUP from now on. Raises `ConfigurationError`."""
        if self._path:
            # Before the file is read, so that no change of it is missed.
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._asked.set)
            self._catalog = load_catalog(self._config)
            self._task = asyncio.create_task(self._run())
        return self._catalog

    async def close(self) -> None:
        """Ignore SIGHUP from now on: a late one must not end a process that is stopping."""
        if self._task is not None:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read the file, and exchange the catalogue if the file has no mistake."""
        from winnerr_webhooks.event_catalog.catalog_file import (  # noqa: PLC0415  as above
            CatalogFileError,
            read_catalog,
        )

        try:
            read = await asyncio.to_thread(read_catalog, self._path, self._config.validate_data)
        except CatalogFileError as error:
            first, *more = error.mistakes
            log.error(
                "event catalogue has a mistake and stays as it was",
                file=self._path,
                line=first.line,
                place=first.place,
                mistake=first.message,
                more=len(more),
            )
            return
        added, left = self._catalog.replace(read)
        log.info("event catalogue read again", file=self._path, events=len(read.names),
                 added=added, left=left)  # fmt: skip

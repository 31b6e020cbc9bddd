"""Opens the database that the settings name: chooses its adapter, and the keys for its secrets.

`wiring` opens it for a server, and `cli` for commands. It loads only the adapter that it opens, so
that a command starts quickly.
"""

import asyncio
from pathlib import Path

from winnerr_webhooks.budgets import Budgets
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config, database_path
from winnerr_webhooks.crypto import Keyring, NoKeyring, Sealer, load_or_create_key_file
from winnerr_webhooks.domain.errors import ConfigurationError
from winnerr_webhooks.settings_table import PREFIX
from winnerr_webhooks.storage.failure_streak import FailureRules
from winnerr_webhooks.storage.port import Storage


async def open_storage(
    config: Config, *, exclusive: bool, budgets: Budgets | None = None
) -> Storage:
    """Open the database, and create or upgrade it if needed.

    `exclusive` is for `serve`: only one process may serve from an SQLite file. On PostgreSQL there
    may be any number. Raises `ConfigurationError` if the database cannot be used, or if its secrets
    cannot be decrypted.
    """
    if config.uses_postgres:
        return await _open_postgres(config, serves=exclusive, budgets=budgets)
    return await _open_sqlite(config, exclusive=exclusive, budgets=budgets)


async def _open_sqlite(config: Config, *, exclusive: bool, budgets: Budgets | None) -> Storage:
    from winnerr_webhooks.storage.sqlite import SqliteStorage  # noqa: PLC0415  only if it is used

    path = database_path(config).resolve()
    return await SqliteStorage.open(
        path,
        clock=SystemClock(),
        keyring=await asyncio.to_thread(_sqlite_keyring, config, path, exclusive=exclusive),
        exclusive=exclusive,
        rules=_failure_rules(config),
        budgets=budgets,
    )


async def _open_postgres(config: Config, *, serves: bool, budgets: Budgets | None) -> Storage:
    from winnerr_webhooks.storage.postgres import PostgresStorage  # noqa: PLC0415  likewise

    if config.encryption_keys:
        keyring: Sealer = Keyring(config.encryption_keys)
    else:
        keyring = NoKeyring(f"{PREFIX}ENCRYPTION_KEYS: set it, to encrypt and decrypt secrets.")
    return await PostgresStorage.open(
        config.database_url,
        clock=SystemClock(),
        keyring=keyring,
        serves=serves,
        rules=_failure_rules(config),
        budgets=budgets,
    )


def _failure_rules(config: Config) -> FailureRules:
    return FailureRules(config.disable_after_days, raises_alerts=config.raises_alerts)


def _sqlite_keyring(config: Config, path: Path, *, exclusive: bool) -> Sealer:
    """Return the keys of the settings, or of the key file, which is made for a new database."""
    from winnerr_webhooks.storage.sqlite.sqlite_file import has_secrets  # noqa: PLC0415  likewise

    if config.encryption_keys:
        return Keyring(config.encryption_keys)
    key_file = path.with_name(path.name + ".keys")
    try:
        keys = load_or_create_key_file(key_file, create=not has_secrets(str(path)))
    except ConfigurationError as error:
        if exclusive:
            raise
        return NoKeyring(str(error))  # `keys` and `login-link` need no secrets
    return Keyring(keys, str(key_file))

"""The signing secrets of webhooks as they are stored: sealed, and two during an overlap."""

from collections.abc import Iterable
from typing import NamedTuple

from winnerr_webhooks.crypto import Sealer, key_id_of
from winnerr_webhooks.domain.errors import ConfigurationError


class Secrets(NamedTuple):
    """A webhook's secrets, sealed, as of now: an overlap that is over is not in it."""

    signing: bytes | None
    following: bytes | None
    overlap_ends_at: int | None

    @classmethod
    def now(
        cls, signing: bytes | None, following: bytes | None, ends_at: int | None, now: int
    ) -> "Secrets":
        """Return the secrets that the columns hold at `now`."""
        if ends_at is not None and ends_at <= now:
            return cls(following, None, None)
        return cls(signing, following, ends_at)

    def replaced(self, secret: bytes | None, *, overlap_seconds: int, now: int) -> "Secrets":
        """Return the secrets after `Webhooks.set_secret` with `secret` (None: no secret)."""
        if secret is not None and self.signing is not None and overlap_seconds > 0:
            return Secrets(self.signing, secret, now + overlap_seconds * 1000)
        return Secrets(secret, None, None)


def opened(keyring: Sealer, sealed: bytes | None, webhook_id: str) -> str | None:
    """Return a secret in the clear, or None without one."""
    return None if sealed is None else keyring.decrypt(sealed, webhook_id.encode()).decode()


def sealed(keyring: Sealer, secret: str | None, webhook_id: str) -> bytes | None:
    """Return a secret as it is stored, or None without one."""
    return None if secret is None else keyring.encrypt(secret.encode(), webhook_id.encode())


def check(rows: Iterable[tuple[str, bytes]], keyring: Sealer) -> None:
    """Raise `ConfigurationError` when a key that sealed one of the secrets is missing.

    `rows` are (webhook id, sealed secret). A key is present if one of
    its secrets opens, even if another one is damaged.
    """
    failures: dict[str, ConfigurationError | None] = {}
    for webhook_id, secret in rows:
        key_id = key_id_of(secret)
        if failures.get(key_id, True) is None:
            continue
        try:
            opened(keyring, secret, webhook_id)
            failures[key_id] = None
        except ConfigurationError as error:
            failures[key_id] = error
    for failure in failures.values():
        if failure is not None:
            raise failure

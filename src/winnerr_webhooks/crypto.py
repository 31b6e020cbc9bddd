"""Encrypts secrets at rest with AES-256-GCM (NIST SP 800-38D), under keys that can be rotated.

An encrypted ("sealed") secret is one byte of format, one byte with the length of the key's id, the
id, 12 bytes of nonce, and the ciphertext with its tag. The id of the webhook it belongs to is
authenticated with it, so a secret that is copied to another row cannot be decrypted.
"""

import base64
import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from winnerr_webhooks.domain.errors import CannotStart, ConfigurationError
from winnerr_webhooks.encryption_keys import EncryptionKey, parse_encryption_keys
from winnerr_webhooks.file_permissions import permission_advice
from winnerr_webhooks.settings_table import PREFIX

_FORMAT: Final = 1
_NONCE: Final = 12


class Sealer(Protocol):
    """Encrypts and decrypts secrets. `associated` is the id of the webhook a secret belongs to."""

    def encrypt(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypt a secret."""
        ...

    def decrypt(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt a secret. Raises `ConfigurationError` if no key can."""
        ...


class NoKeyring:
    """Takes the place of a keyring without keys, for commands that need no secrets."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def encrypt(self, plaintext: bytes, associated: bytes) -> NoReturn:  # noqa: ARG002  a Sealer's form
        """Raise `ConfigurationError`."""
        raise ConfigurationError(self._reason)

    def decrypt(self, sealed: bytes, associated: bytes) -> NoReturn:  # noqa: ARG002  a Sealer's form
        """Raise `ConfigurationError`."""
        raise ConfigurationError(self._reason)


class Keyring:
    """Several keys. The first one encrypts, and each decrypts what it encrypted.

    `source` is the variable or the file they come from, as errors name it.
    """

    def __init__(
        self, keys: Sequence[EncryptionKey], source: str = PREFIX + "ENCRYPTION_KEYS"
    ) -> None:
        self._source = source
        self._ciphers = {key.id: AESGCM(key.key) for key in keys}
        self._first = keys[0].id

    def __repr__(self) -> str:
        """Show the ids only."""
        return f"Keyring({', '.join(self._ciphers)})"

    def encrypt(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypt with the first key; decryption needs the same `associated` bytes."""
        nonce = secrets.token_bytes(_NONCE)
        key_id = self._first.encode()
        sealed = self._ciphers[self._first].encrypt(nonce, plaintext, associated)
        return bytes((_FORMAT, len(key_id))) + key_id + nonce + sealed

    def decrypt(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt. Raises `ConfigurationError` if the key is missing or is not the right one."""
        key_id = key_id_of(sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise ConfigurationError(
                f"{self._source}: stored secrets are encrypted with the key {key_id!r}, which is "
                f"not among the keys there ({', '.join(self._ciphers)}). Add it from your backup."
            )
        rest = sealed[2 + len(key_id.encode()) :]
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], associated)
        except (InvalidTag, ValueError):  # ValueError: truncated within the nonce
            raise ConfigurationError(
                f"{self._source}: the key {key_id!r} there is not the one that stored secrets were "
                "encrypted with. Restore the right key from your backup."
            ) from None


def key_id_of(sealed: bytes) -> str:
    """Return the id of the key of a sealed secret. Raises `ConfigurationError` if it is invalid."""
    if len(sealed) < 2 + _NONCE or sealed[0] != _FORMAT:
        raise ConfigurationError(
            "A stored secret has a format that this version does not know. The database may have "
            "been written by a newer version; use that one."
        )
    return sealed[2 : 2 + sealed[1]].decode(errors="replace")


def hash_key(api_key: str) -> bytes:
    """Return the SHA-256 of an API key, which is stored; 256 random bits need no slow hash."""
    return hashlib.sha256(api_key.encode()).digest()


def load_or_create_key_file(path: Path, *, create: bool) -> tuple[EncryptionKey, ...]:
    """Read a key file, which has lines of `id:base64key`. With `create`, create a missing file.

    A new file has mode 0600, is written atomically, and is on disk when this returns. If two
    processes create it at once, both use the file of the first.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        if not create:
            raise ConfigurationError(
                f"{path}: the key file of this database is missing, and stored secrets cannot be "
                "decrypted without it. Restore it from your backup."
            ) from None
        _create(path)
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        advice = permission_advice(path) or str(error)
        raise ConfigurationError(f"{path}: the key file cannot be read: {advice}") from None
    lines = [line.strip() for line in text.splitlines()]
    keys = ",".join(line for line in lines if line and not line.startswith("#"))
    try:
        return parse_encryption_keys(keys)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _create(path: Path) -> None:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    text = (
        "# Keys that encrypt the webhooks' secrets. Back this file up with the database:\n"
        "# without it the secrets cannot be decrypted. The first key encrypts.\n"
        f"k1:{key}\n"
    )
    try:
        handle, name = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        finally:
            Path(name).unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        return  # another process was faster; its file is as good
    except OSError as error:
        kind = CannotStart if error.errno == errno.ENOSPC else ConfigurationError
        raise kind(
            f"{path}: the key file cannot be written: {permission_advice(path) or error.strerror}"
        ) from None

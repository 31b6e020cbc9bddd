"""The keys that encrypt stored secrets, as a setting or a key file writes them."""

import base64
import binascii
import re
from typing import Final

import msgspec

from winnerr_webhooks.domain.errors import ConfigurationError

_KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class EncryptionKey(msgspec.Struct, frozen=True):
    """An AES-256 key. Its `id` is stored with everything that it encrypts."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        """Leave the key out."""
        return f"EncryptionKey({self.id})"


def parse_encryption_keys(text: str) -> tuple[EncryptionKey, ...]:
    """Parse keys in the form `id:base64key[,id:base64key]`; the first one encrypts.

    Raises `ConfigurationError` that says which entry is wrong, without repeating it.
    """
    keys: dict[str, EncryptionKey] = {}
    for number, entry in enumerate(text.split(","), 1):
        key_id, _, encoded = entry.strip().partition(":")
        if not _KEY_ID.fullmatch(key_id):
            raise ConfigurationError(
                f"encryption key {number} needs an id of 1 to 32 of A-Z a-z 0-9 _ - before a colon"
            )
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ConfigurationError(f"encryption key {number} is not base64") from None
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(
                f"encryption key {number} has {len(key)} bytes, expected 32 "
                "(create one with: openssl rand -base64 32)"
            )
        if key_id in keys:
            raise ConfigurationError(f"encryption key {number} has the same id as another one")
        keys[key_id] = EncryptionKey(key_id, key)
    return tuple(keys.values())

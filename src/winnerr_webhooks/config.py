"""Settings: read from the environment once, checked as a whole, passed on as one value."""

import base64
import binascii
import difflib
import ipaddress
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from winnerr_webhooks.domain.errors import ConfigurationError

PREFIX = "WINNERR_WEBHOOKS_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class EncryptionKey(msgspec.Struct, frozen=True):
    """One AES-256 key; `id` is stored beside what it encrypts."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return f"EncryptionKey({self.id})"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, parsed (CONTRACT, Command line)."""

    database_url: str = "sqlite:///winnerr-webhooks.db"
    host: str = "127.0.0.1"
    port: int = 8400
    public_url: str = "http://127.0.0.1:8400"
    sign_in_url: str = ""
    frame_ancestors: tuple[str, ...] = ()
    retry_schedule: tuple[float, ...] = (60.0, 600.0, 6000.0)
    delivery_timeout: float = 10.0
    success_statuses: str = "2xx"
    webhook_concurrency: int = 16
    disable_after_days: float = 5.0
    max_webhooks: int = 500
    allow_http: bool = False
    allow_networks: tuple[Network, ...] = ()
    deny_networks: tuple[Network, ...] = (ipaddress.IPv4Network("168.63.129.16/32"),)
    nat64_prefixes: tuple[ipaddress.IPv6Network, ...] = ()
    encryption_keys: tuple[EncryptionKey, ...] = ()
    log_retention_days: int = 30

    @property
    def lease_seconds(self) -> float:
        """How long a node may keep the right to a delivery's next attempt (DESIGN, Storage)."""
        return max(60.0, 3 * self.delivery_timeout)

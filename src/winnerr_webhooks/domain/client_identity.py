"""A client certificate with its private key, by which a connection authenticates to a receiver."""

from hashlib import sha256

import msgspec


class ClientIdentity(msgspec.Struct, frozen=True):
    """What a TLS handshake shows of us (RFC 8446, section 4.4.2)."""

    certificate: str
    """PEM: the certificate, and the intermediate ones after it."""
    private_key: str
    """PEM, not encrypted."""
    fingerprint: str
    """Different for each pair of certificate and key; it tells nothing about the key."""

    @classmethod
    def of(cls, certificate: str, private_key: str) -> "ClientIdentity":
        """Create it, with its fingerprint."""
        digest = sha256(f"{certificate}\0{private_key}".encode()).hexdigest()
        return cls(certificate, private_key, digest)

    def __repr__(self) -> str:
        """Leave the key out."""
        return f"ClientIdentity({self.fingerprint[:8]})"

"""The HTTP proxy that every attempt goes through, if one is set."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Proxy:
    """Where the proxy is, and the credentials it asks for."""

    host: str
    port: int
    credentials: str = ""
    """`user:password`; empty: none."""

    def __str__(self) -> str:
        """Return its URL without the password."""
        user = f"{self.credentials.partition(':')[0]}:•••@" if self.credentials else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{user}{host}:{self.port}"

    __repr__ = __str__

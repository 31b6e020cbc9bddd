"""The page's static files: read at start, under URLs that change with their content."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec

CSS: Final = "text/css; charset=utf-8"
_TYPES: Final = {
    "css": CSS,
    "js": "text/javascript; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "woff2": "font/woff2",
}
CACHE_FOREVER: Final = "public, max-age=31536000, immutable"
"""The Cache-Control of a file whose URL contains the hash of its content."""


class Asset(msgspec.Struct, frozen=True):
    """A static file: its bytes, its media type, and headers that only it has."""

    content: bytes
    media_type: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Assets:
    """All static files under one hash, so that scripts can import each other by plain name.

    `more` are files by name that the operator has added.
    """

    def __init__(self, base: str, more: Mapping[str, Asset]) -> None:
        folder = files(__package__).joinpath("static")
        self._files = {
            file.name: Asset(file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
            for file in sorted(folder.iterdir(), key=lambda file: file.name)
        }
        self._files |= more
        digest = hashlib.sha256()
        for name, asset in self._files.items():
            digest.update(name.encode() + b"\0" + asset.content + b"\0")
        self.version = digest.hexdigest()[:12]
        self._base = f"{base}/static/{self.version}/"

    def url(self, name: str) -> str:
        """The URL of a file. Raises KeyError when there is no such file."""
        _ = self._files[name]
        return self._base + name

    def content(self, name: str) -> Asset:
        """A file by its name. Raises KeyError when there is no such file."""
        return self._files[name]

    def get(self, version: str, name: str) -> Asset | None:
        """The file of a URL; None when this version of the page does not have it."""
        return self._files.get(name) if version == self.version else None

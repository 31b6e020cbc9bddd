"""The page's own files: read once, under an address that changes with what is in them."""

import hashlib
from importlib.resources import files
from typing import Final

import msgspec

_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
FOREVER: Final = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """One file as it is sent."""

    content: bytes
    media_type: str


class Assets:
    """Every file under one hash of them all, so that modules import each other by plain name."""

    def __init__(self, base: str) -> None:
        folder = files(__package__).joinpath("static")
        self._files = {
            file.name: Asset(file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
            for file in sorted(folder.iterdir(), key=lambda file: file.name)
        }
        digest = hashlib.sha256()
        for name, asset in self._files.items():
            digest.update(name.encode() + b"\0" + asset.content + b"\0")
        self.version = digest.hexdigest()[:12]
        self._base = f"{base}/static/{self.version}/"

    def url(self, name: str) -> str:
        """Where a file is; KeyError for one there is not."""
        _ = self._files[name]
        return self._base + name

    def get(self, version: str, name: str) -> Asset | None:
        """The file of an address; None for what this version has not."""
        return self._files.get(name) if version == self.version else None

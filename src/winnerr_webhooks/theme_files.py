"""Reads the files of the page's look that an operator names: a logo and a style sheet."""

import math
import re
from pathlib import Path
from typing import Final, NamedTuple

MAX_BYTES: Final = 256 * 1024
"""The largest file; every visitor loads it."""
LOGO_HEIGHT: Final = 24
"""The height in pixels at which the logo is shown."""
_MAX_WIDTH: Final = 240
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG: Final = "{http://www.w3.org/2000/svg}svg"
_NUMBER: Final = r"[0-9]*\.?[0-9]+"
_LENGTH: Final = re.compile(rf"({_NUMBER})(?:px)?", re.ASCII)
_VIEW_BOX: Final = re.compile(rf"-?{_NUMBER}[\s,]+-?{_NUMBER}[\s,]+({_NUMBER})[\s,]+({_NUMBER})")


class Logo(NamedTuple):
    """A logo, and the width in pixels that it has at `LOGO_HEIGHT`."""

    content: bytes
    is_svg: bool
    width: int


def read_stylesheet(path: str) -> bytes:
    """Read a style sheet. Raises `ValueError` that says what is wrong with the file."""
    content = _read(path)
    try:
        content.decode()
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8") from None
    return content


def read_logo(path: str) -> Logo:
    """Read a logo. Raises `ValueError` that says what is wrong with the file."""
    content = _read(path)
    is_svg = not content.startswith(_PNG)
    wide, high = _svg_size(content) if is_svg else _png_size(content)
    if not (0 < wide < math.inf and 0 < high < math.inf):
        raise ValueError("the logo has no width or no height")
    return Logo(content, is_svg, min(_MAX_WIDTH, max(1, round(LOGO_HEIGHT * wide / high))))


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"the file cannot be read ({reason})") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES // 1024} KiB")
    return content


def _png_size(content: bytes) -> tuple[float, float]:
    """Return width and height, which IHDR begins with (PNG 3, section 11.2.1)."""
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def _svg_size(content: bytes) -> tuple[float, float]:
    from xml.etree import ElementTree as ET  # noqa: PLC0415  only an SVG needs it

    try:
        root = ET.fromstring(content)  # noqa: S314  the operator's own file
    except (ET.ParseError, ValueError):
        root = None
    if root is None or root.tag != _SVG:
        raise ValueError("the file is neither an SVG nor a PNG image")
    sides = [_LENGTH.fullmatch(root.get(name, "")) for name in ("width", "height")]
    found = [float(side[1]) for side in sides if side]
    if len(found) == len(sides):
        return found[0], found[1]
    box = _VIEW_BOX.fullmatch(root.get("viewBox", "").strip())
    if box is None:
        raise ValueError("the svg element needs a viewBox, or a width and a height in pixels")
    return float(box[1]), float(box[2])

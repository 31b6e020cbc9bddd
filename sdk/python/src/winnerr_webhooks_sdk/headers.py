"""The headers of a request, whatever the framework hands over."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

HeaderText = Union[str, bytes]
HeadersLike = Union[
    Mapping[str, str],
    Mapping[str, List[str]],
    Iterable[Tuple[HeaderText, HeaderText]],
    Any,  # what has items(), such as werkzeug's Headers and the standard library's Message
]
"""A mapping, or pairs; names in any case, text or bytes; a list for a header that came twice."""


class Headers:
    """Looks headers up by name, in any case, and notices those that came more than once."""

    def __init__(self, headers: HeadersLike) -> None:
        self._values: Dict[str, List[str]] = {}
        pairs = headers.items() if hasattr(headers, "items") else headers
        for name, value in pairs:
            values = value if isinstance(value, (list, tuple)) else [value]
            kept = self._values.setdefault(_text(name).lower(), [])
            kept.extend(_text(one).strip(" \t") for one in values)

    def all(self, name: str) -> List[str]:
        """Return every value of a header, without the space around it."""
        return self._values.get(name.lower(), [])

    def first(self, name: str) -> Optional[str]:
        """Return the first value of a header."""
        values = self.all(name)
        return values[0] if values else None


def _text(value: HeaderText) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)

"""Text from outside, as PostgreSQL can take it."""


def storable(text: str) -> str:
    """`text` without NUL, which no column holds (PostgreSQL's manual, section 8.3)."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")

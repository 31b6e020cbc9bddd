"""What `make test` leaves to `make thorough`, or has at a smaller size.

Tests with the marker `thorough` do not run, and Hypothesis tries a quarter of the examples.
CONTRIBUTING.md says which tests those are.
"""

import pytest
from hypothesis import settings

THOROUGH = "thorough"
usually_sqlite = pytest.mark.parametrize(
    "adapter", ["sqlite", pytest.param("postgres", marks=pytest.mark.thorough)], scope="session"
)
"""For scenarios on which the database has no influence beyond what the contract suite tests."""


def register_profiles() -> None:
    """Register the profile of `make test`, which applies from now on, and that of `make thorough`.

    Neither has a deadline: the machine may pause during an example, which is not its fault.
    """
    usual = settings()
    settings.register_profile(THOROUGH, usual, deadline=None)
    settings.register_profile(
        "test", usual, deadline=None, max_examples=examples(usual.max_examples)
    )
    settings.load_profile("test")


def is_thorough() -> bool:
    """Return whether this run is `make thorough`."""
    return settings.get_current_profile_name() == THOROUGH


def examples(thorough: int) -> int:
    """Return how many examples this run tries of a test that `make thorough` tries so many of."""
    return thorough if is_thorough() else max(thorough // 4, 1)


def mark_other_loops(item: pytest.Item) -> None:
    """Mark a test as thorough if it runs on asyncio's own loop; the product runs on uvloop."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "asyncio" in callspec.id.split("-"):
        item.add_marker(pytest.mark.thorough)

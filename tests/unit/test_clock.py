"""A steady clock follows forward steps and never goes back."""

import pytest

from winnerr_webhooks.clock import SteadyClock

START = 1_800_000_000_000
HOUR = 3_600_000


class HandClock:
    """Both clocks, which the test moves separately."""

    wall = START
    seconds = 1_000.0

    def now_ms(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.wall += round(seconds * 1000)
        self.seconds += seconds


@pytest.fixture
def machine() -> HandClock:
    return HandClock()


def test_it_continues_evenly_when_the_machines_clock_is_set_back(machine) -> None:
    clock = SteadyClock(machine)
    machine.wall -= HOUR
    machine.pass_(5)
    assert clock.now_ms() == START + 5_000


def test_it_follows_when_the_machines_clock_is_set_forward(machine) -> None:
    clock = SteadyClock(machine)
    machine.wall += HOUR
    assert clock.now_ms() == START + HOUR


def test_a_due_time_is_kept_when_a_clock_correction_is_undone(machine) -> None:
    """Given a time noted while the clock was an hour fast, and a clock that is then corrected.

    Then the time is a minute away, not an hour and a minute.
    """
    clock = SteadyClock(machine)
    machine.wall += HOUR
    due_at = clock.now_ms() + 60_000
    machine.wall -= HOUR
    machine.pass_(60)
    assert clock.now_ms() == due_at


def test_it_knows_how_much_time_was_skipped(machine) -> None:
    clock = SteadyClock(machine)
    before = clock.now_ms()
    machine.pass_(10)
    machine.wall += HOUR
    after = clock.now_ms()
    machine.pass_(10)
    assert clock.skips.since(before) == HOUR
    assert clock.skips.since(after) == 0


def test_small_corrections_of_the_clock_are_not_skips(machine) -> None:
    clock = SteadyClock(machine)
    before = clock.now_ms()
    machine.wall += 500
    clock.now_ms()
    assert clock.skips.since(before) == 0

"""Foreground: whose calls came in lately."""

from winnerr_webhooks.pipeline.foreground import WINDOW, Foreground


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_call_counts_for_a_moment() -> None:
    time = Time()
    foreground = Foreground(time)
    assert not foreground.active
    foreground.note("org_1")
    time.now += WINDOW
    assert foreground.active
    time.now += 0.01
    assert not foreground.active


def test_an_organization_gives_way_to_others_and_not_to_itself() -> None:
    foreground = Foreground(Time())
    foreground.note("org_1")
    assert not foreground.others_than("org_1")
    assert foreground.others_than("org_2")
    foreground.note("org_2")
    foreground.note("org_1")
    assert foreground.others_than("org_1")

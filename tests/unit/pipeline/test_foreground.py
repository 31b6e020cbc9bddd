"""Foreground: whether calls come in now, and whose."""

from winnerr_webhooks.pipeline.foreground import WINDOW, Foreground


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_call_counts_for_a_quarter_of_a_second() -> None:
    time = Time()
    foreground = Foreground(time)
    assert not foreground.active
    foreground.note("org_1")
    time.now += WINDOW
    assert foreground.active
    time.now += 0.01
    assert not foreground.active


def test_an_organization_is_no_other_than_itself() -> None:
    time = Time()
    foreground = Foreground(time)
    foreground.note("org_1")
    assert not foreground.others_than("org_1")
    assert foreground.others_than("org_2")
    foreground.note("org_2")
    foreground.note("org_2")
    assert foreground.others_than("org_1")
    assert foreground.others_than("org_2")
    time.now += WINDOW + 0.01
    foreground.note("org_2")
    assert not foreground.others_than("org_2")
    assert foreground.others_than("org_1")

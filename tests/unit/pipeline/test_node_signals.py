"""Node signals: a signal reaches every receiver, and a node without receivers ignores it."""

from winnerr_webhooks.pipeline.node_signals import NodeSignals


def test_a_signal_calls_its_receivers_in_the_order_they_connected() -> None:
    signals, received = NodeSignals(), []
    signals.work_due.connect(lambda seconds: received.append(("first", seconds)))
    signals.work_due.connect(lambda seconds: received.append(("second", seconds)))
    signals.work_due(0.5)
    assert received == [("first", 0.5), ("second", 0.5)]


def test_requested_work_begins_at_once_at_a_webhook_that_is_held() -> None:
    signals, received = NodeSignals(), []
    signals.attempt_requested.connect(received.append)
    signals.work_due.connect(received.append)
    signals.job_created.connect(lambda: received.append("job"))
    signals.work_requested("wh_1")
    assert received == ["wh_1", 0.0, "job"]


def test_a_signal_without_receivers_does_nothing() -> None:
    NodeSignals().webhook_changed("wh_1")

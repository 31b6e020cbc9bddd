"""How long idle connections are kept, and what the pool learns about receivers."""

from types import SimpleNamespace

import pytest

from winnerr_webhooks.egress.pool import Pool

KEY = ("org_1", "https", "hooks.test", 443)


class HandClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return int(self.now * 1000)


class IdleConnection:
    """The part of a connection that the pool uses."""

    def __init__(self, head: bytes = b"", key=KEY, made_at: float = 1000.0) -> None:
        self.key = key
        self.made_at = made_at
        self.response = SimpleNamespace(status=200, head=head)
        self.closed = False
        self.requests = 1
        self.sent_at = 0.0
        self.idle_seconds = 0.0
        self.idle_since = 0.0
        self.idle_announced = False

    def abort(self) -> None:
        self.closed = True


class PoolInUse:
    """A pool with one connection that is put back and taken again."""

    def __init__(self, kept) -> None:
        self.clock = HandClock()
        self.pool = Pool(kept=kept(10, self.clock), clock=self.clock)

    def fresh(self, head: bytes = b"") -> IdleConnection:
        connection = IdleConnection(head, made_at=self.clock.now)
        connection.sent_at = self.clock.now
        self.pool.put(connection, self.clock.now)
        return connection

    def reused_after(self, seconds: float) -> bool:
        self.clock.now += seconds
        connection = self.pool.take(KEY, self.clock.now)
        if connection is None:
            return False
        connection.requests += 1
        connection.sent_at = self.clock.now
        self.pool.put(connection, self.clock.now)
        return True


@pytest.fixture
async def in_use(kept):
    in_use = PoolInUse(kept)
    yield in_use
    in_use.pool.close()


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"", 4),
        (b"Connection: keep-alive\r\n", 4),
        (b"Keep-Alive: timeout=5\r\n", 4),
        (b"keep-alive: max=100, timeout=10\r\n", 9),
        (b"X: y\r\nKEEP-ALIVE: timeout=3\r\nZ: y\r\n", 2),
        (b"Keep-Alive: timeout=3600\r\n", 55),
        (b"X-Keep-Alive: timeout=30\r\n", 4),
        (b"Keep-Alive: max=5\r\nX: timeout=30\r\n", 4),
    ],
)
async def test_an_idle_connection_lives_as_long_as_the_receiver_says(in_use, head, seconds):
    in_use.fresh(head)
    assert in_use.reused_after(seconds)
    connection = in_use.pool.take(KEY, in_use.clock.now)
    in_use.pool.put(connection, in_use.clock.now)
    in_use.pool._learned.clear()
    connection.idle_seconds = seconds
    assert not in_use.reused_after(seconds + 0.1)
    assert connection.closed
    assert len(in_use.pool) == 0


@pytest.mark.parametrize("head", [b"Keep-Alive: timeout=1\r\n", b"Keep-Alive: timeout=0\r\n"])
async def test_a_receiver_that_closes_within_a_second_is_not_kept(in_use, head):
    assert in_use.fresh(head).closed
    assert len(in_use.pool) == 0


async def test_a_receiver_that_keeps_connections_longer_is_trusted_longer(in_use):
    in_use.fresh()
    assert in_use.reused_after(3)
    assert in_use.reused_after(7)
    assert in_use.reused_after(15)
    assert in_use.reused_after(30)
    assert not in_use.reused_after(56)
    in_use.fresh()
    assert in_use.reused_after(54)  # the next connection is trusted from the start


async def test_short_pauses_do_not_change_the_idle_time(in_use):
    connection = in_use.fresh()
    for _ in range(20):
        assert in_use.reused_after(1)
    assert connection.idle_seconds == 4


async def test_the_announced_idle_time_is_not_exceeded(in_use):
    in_use.fresh(b"Keep-Alive: timeout=5\r\n")
    assert in_use.reused_after(3.9)
    assert not in_use.reused_after(4.1)


async def test_a_connection_closed_while_idle_shortens_the_idle_time(in_use):
    in_use.fresh()
    assert in_use.reused_after(3)
    assert in_use.reused_after(7)
    connection = in_use.pool.take(KEY, in_use.clock.now)
    in_use.pool.put(connection, in_use.clock.now)
    in_use.clock.now += 6
    in_use.pool.connection_lost(connection)
    assert len(in_use.pool) == 0
    assert in_use.fresh().idle_seconds == 5


async def test_a_closed_connection_is_neither_kept_nor_handed_out(in_use):
    connection = IdleConnection()
    connection.closed = True
    in_use.pool.put(connection, in_use.clock.now)
    assert len(in_use.pool) == 0
    connection = in_use.fresh()
    connection.closed = True
    assert in_use.pool.take(KEY, in_use.clock.now) is None


async def test_the_sweep_closes_connections_that_were_idle_for_too_long(in_use):
    old = in_use.fresh()
    in_use.clock.now += 3
    young = in_use.fresh()
    in_use.clock.now += 2
    in_use.pool._sweep()
    assert old.closed
    assert not young.closed
    assert len(in_use.pool) == 1


async def test_the_memory_of_idle_times_is_limited(in_use):
    for number in range(5000):
        connection = IdleConnection(key=("org_1", "https", f"{number}.test", 443))
        connection.idle_seconds = 4.0
        in_use.pool._learn_from_reuse(connection)
    assert len(in_use.pool._learned) == 4096


async def test_the_least_recently_used_connections_are_closed_first_and_counted(kept):
    budget = kept(2)
    pool = Pool(kept=budget, clock=HandClock())
    connections = [
        IdleConnection(key=("org_1", "https", f"{number}.test", 443)) for number in range(4)
    ]
    for connection in connections[:3]:
        pool.put(connection, 1000.0)
    assert [connection.closed for connection in connections[:3]] == [True, False, False]
    assert (budget.in_use, budget.refused) == (2, 1)
    assert pool.evict(1) == [connections[1]]
    assert (budget.in_use, budget.refused) == (1, 2)
    assert pool.evict(5) == [connections[2]]
    assert pool.evict(5) == []
    pool.close()


async def test_a_connection_under_constant_traffic_is_replaced_after_a_minute(in_use) -> None:
    """So a new address of the name is found even if the old one is busy all the time."""
    in_use.fresh()
    reuses = 0
    while in_use.reused_after(1.0):
        reuses += 1
    assert reuses == 60


@pytest.mark.parametrize(("status", "reused"), [(200, True), (404, True), (429, True), (410, False),
                                                (500, False), (503, False)])  # fmt: skip
async def test_a_connection_is_not_reused_after_a_status_that_suggests_a_moved_receiver(
    in_use, status, reused
) -> None:
    connection = IdleConnection()
    connection.response.status = status
    in_use.pool.put(connection, in_use.clock.now)
    assert in_use.reused_after(0.5) is reused
    assert connection.closed is not reused

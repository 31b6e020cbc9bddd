"""How long an idle connection is trusted, and what is learned about a receiver."""

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


class Line:
    """What the pool sees of a connection."""

    def __init__(self, head: bytes = b"", key=KEY, made_at: float = 1000.0) -> None:
        self.key = key
        self.made_at = made_at
        self.status = 200
        self.head = head
        self.closed = False
        self.requests = 1
        self.sent_at = 0.0
        self.idle_seconds = 0.0
        self.idle_since = 0.0
        self.idle_told = False

    def abort(self) -> None:
        self.closed = True


class Road:
    """A pool in use: one line, put back and taken again."""

    def __init__(self, kept) -> None:
        self.clock = HandClock()
        self.pool = Pool(kept=kept(10, self.clock), clock=self.clock)

    def fresh(self, head: bytes = b"") -> Line:
        line = Line(head, made_at=self.clock.now)
        line.sent_at = self.clock.now
        self.pool.put(line, self.clock.now)
        return line

    def reused_after(self, seconds: float) -> bool:
        self.clock.now += seconds
        line = self.pool.take(KEY, self.clock.now)
        if line is None:
            return False
        line.requests += 1
        line.sent_at = self.clock.now
        self.pool.put(line, self.clock.now)
        return True


@pytest.fixture
async def road(kept):
    road = Road(kept)
    yield road
    road.pool.close()


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
async def test_an_idle_connection_lives_as_long_as_the_receiver_says(road, head, seconds):
    road.fresh(head)
    assert road.reused_after(seconds)
    line = road.pool.take(KEY, road.clock.now)
    road.pool.put(line, road.clock.now)
    road.pool._learned.clear()
    line.idle_seconds = seconds
    assert not road.reused_after(seconds + 0.1)
    assert line.closed
    assert len(road.pool) == 0


@pytest.mark.parametrize("head", [b"Keep-Alive: timeout=1\r\n", b"Keep-Alive: timeout=0\r\n"])
async def test_a_receiver_that_closes_within_a_second_is_not_kept(road, head):
    assert road.fresh(head).closed
    assert len(road.pool) == 0


async def test_a_receiver_that_keeps_connections_longer_is_trusted_longer(road):
    road.fresh()
    assert road.reused_after(3)
    assert road.reused_after(7)
    assert road.reused_after(15)
    assert road.reused_after(30)
    assert not road.reused_after(56)
    road.fresh()
    assert road.reused_after(54)  # the next connection is trusted from the start


async def test_short_pauses_teach_nothing(road):
    line = road.fresh()
    for _ in range(20):
        assert road.reused_after(1)
    assert line.idle_seconds == 4


async def test_what_the_receiver_says_is_not_exceeded(road):
    road.fresh(b"Keep-Alive: timeout=5\r\n")
    assert road.reused_after(3.9)
    assert not road.reused_after(4.1)


async def test_a_connection_closed_while_idle_takes_the_trust_back(road):
    road.fresh()
    assert road.reused_after(3)
    assert road.reused_after(7)
    line = road.pool.take(KEY, road.clock.now)
    road.pool.put(line, road.clock.now)
    road.clock.now += 6
    road.pool.lost(line)
    assert len(road.pool) == 0
    assert road.fresh().idle_seconds == 5


async def test_a_closed_connection_is_neither_kept_nor_given(road):
    line = Line()
    line.closed = True
    road.pool.put(line, road.clock.now)
    assert len(road.pool) == 0
    line = road.fresh()
    line.closed = True
    assert road.pool.take(KEY, road.clock.now) is None


async def test_the_sweep_hangs_up_on_what_was_idle_for_too_long(road):
    old = road.fresh()
    road.clock.now += 3
    young = road.fresh()
    road.clock.now += 2
    road.pool._sweep()
    assert old.closed
    assert not young.closed
    assert len(road.pool) == 1


async def test_what_was_learned_is_bounded(road):
    for number in range(5000):
        line = Line(key=("org_1", "https", f"{number}.test", 443))
        line.idle_seconds = 4.0
        road.pool._has_kept(line)
    assert len(road.pool._learned) == 4096


async def test_connections_are_given_up_from_the_one_used_longest_ago_and_counted(kept):
    budget = kept(2)
    pool = Pool(kept=budget, clock=HandClock())
    connections = [Line(key=("org_1", "https", f"{number}.test", 443)) for number in range(4)]
    for connection in connections[:3]:
        pool.put(connection, 1000.0)
    assert [connection.closed for connection in connections[:3]] == [True, False, False]
    assert (budget.in_use, budget.refused) == (2, 1)
    assert pool.evict(1) == [connections[1]]
    assert (budget.in_use, budget.refused) == (1, 2)
    assert pool.evict(5) == [connections[2]]
    assert pool.evict(5) == []
    pool.close()


async def test_a_connection_under_steady_traffic_is_made_anew_after_a_minute(road) -> None:
    """So a name that leads elsewhere by then is found, however busy the old address is."""
    road.fresh()
    reuses = 0
    while road.reused_after(1.0):
        reuses += 1
    assert reuses == 60


@pytest.mark.parametrize(("status", "reused"), [(200, True), (404, True), (429, True), (410, False),
                                                (500, False), (503, False)])  # fmt: skip
async def test_after_an_answer_of_an_address_that_may_have_moved_it_is_dialed_anew(
    road, status, reused
) -> None:
    line = Line()
    line.status = status
    road.pool.put(line, road.clock.now)
    assert road.reused_after(0.5) is reused
    assert line.closed is not reused

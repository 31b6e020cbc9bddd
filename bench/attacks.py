"""Attacks: what one organization, receiver, client or machine limit may do to a service.

Usage: python -m bench.attacks NAME … [--database sqlite|postgresql] [--quick] [--data FOLDER]:
prints a round of each as JSON. The bench `fairness` runs all of them.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.arithmetic import spread
from bench.child import BenchError, end_all, get, until
from bench.postgres import Postgres
from bench.processes import Part
from bench.stage import NORMAL, QUICK, Stage

MIB = 1024 * 1024
VICTIM = 900
"""The number of the victim's organization."""
ATTACKER = 0
RATE = 100
"""Single events a second of the victim."""
GRACE = 5.0
"""Seconds that what the victim sent last has to arrive."""
STOP_PATIENCE = 40.0
"""Seconds from SIGTERM until the service is killed; its documented time is 20."""
HOOKS_AT_ONCE = 10_000
"""Deliveries of one transaction while the attacker's work is seeded."""
WARM_RATE = 10
"""Events a second of the attacker before it fills its queues."""
FILL_SECONDS = 10.0
"""An attempt that hangs ends after 10 s, and its webhook's queue then gives leases back."""
LEASES = "SELECT count(*) FROM pending WHERE lease_until IS NOT NULL"
SINGLE, BATCH = "/api/v1/events", "/api/v1/events/batch"


@dataclass(frozen=True)
class Attack:
    """One thing that is done to the service while the victim posts; sizes are those in full."""

    name: str
    what: str
    webhooks: int = 1
    """Of the attacker, for every event."""
    answer: str = "hook"
    """The path of the attacker's receiver: it answers 200 at once, `later` with 429, or `hang`s."""
    deleted: int = 0
    """Webhooks of the attacker that are deleted."""
    pending: int = 0
    """Events of the attacker that are due at the start, for each of its webhooks."""
    attempts: int = 0
    """In the attacker's log."""
    leases: int = 0
    """So many are to be held at SIGTERM. While the victim posts, the attacker posts modestly to a
    receiver that answers, so that the queues of its webhooks grow; then this hangs, and the attack
    fills them."""
    mode: str = ""
    """Of `parts/attacker.py`; empty: the attack is in the database already."""
    clients: int = 0
    orders: dict = field(default_factory=dict)
    """More of `parts/attacker.py`; `{key}` in a head is the attacker's key."""
    descriptors: int | None = None
    lead: float = 1.0
    """Seconds from the attack's begin to the victim's."""
    batches: bool = False
    """Whether the victim posts batches of 100 as well."""
    page: bool = False
    """Whether the victim looks at the log page of its own as well."""


def _held(path: str) -> str:
    return f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {{key}}\r\n"


ATTACKS = (
    Attack("quiet", "nobody else", page=True),
    Attack("unknown_keys", "8 connections post with unknown keys", mode="flood", clients=8),
    Attack("log_readers", "64 connections read the log page", attempts=10_000, mode="read",
           clients=64, orders={"path": "/settings/webhooks/logs"}, page=True),
    Attack("stalled_batches", "8 bodies of 8 MiB stall", mode="hold", clients=8,
           orders={"head": _held(BATCH), "bytes": 8 * MIB - 1}, batches=True, lead=2.0),
    Attack("short_bodies", "2,500 bodies of 160 KiB lack a byte", mode="hold", clients=2_500,
           orders={"head": _held(SINGLE), "bytes": 160 * 1024 - 1}, lead=3.0),
    Attack("deleted_webhooks", "20,000 deleted webhooks; events read, webhooks made",
           deleted=20_000, mode="manage", clients=2),
    Attack("backlog", "100,000 deliveries drain", pending=100_000, lead=0.0),
    Attack("throttled", "5,000 webhooks are answered 429", webhooks=5_000, answer="later",
           pending=20, lead=5.0),
    Attack("descriptors", "300 webhooks hang, 200 idle connections, 512 descriptors",
           webhooks=300, answer="hang", pending=20, descriptors=512, mode="hold", clients=200,
           orders={"head": ""}),
    Attack("batches", "batches of 1,000 for 500 webhooks, 1 client", webhooks=500,
           mode="batches", clients=1, orders={"events": 1_000, "finish": 40}),
    Attack("batches_2", "batches of 1,000 for 500 webhooks, 2 clients", webhooks=500,
           mode="batches", clients=2, orders={"events": 1_000}),
    Attack("batches_hanging", "batches of 1,000 for 500 webhooks that hang", webhooks=500,
           answer="hang", mode="batches", clients=1, orders={"events": 1_000}),
    Attack("leases", "10 events/s for 200 webhooks, then 60,000 leases", webhooks=200,
           answer="hang", leases=60_000, mode="batches", clients=1, orders={"events": 150}),
)  # fmt: skip
BY_NAME = {attack.name: attack for attack in ATTACKS}


def turn(stage: Stage, attack: Attack, server: Postgres | None) -> dict:
    """One round on a service and a database of its own: what the victim and the attacker saw."""
    found: dict = {"attack": attack.name, "load_average": os.getloadavg()[0]}
    with stage.apart() as apart:
        one = _Turn(apart, attack, server)
        one.seed()
        try:
            found |= one.run()
        except (BenchError, OSError) as error:  # what ends a service ends only its round
            found["failed"] = str(error)
            one.service.terminate(STOP_PATIENCE)
    return found


class _Turn:
    """A round: its service, the two receivers, and what is measured on them."""

    def __init__(self, stage: Stage, attack: Attack, server: Postgres | None) -> None:
        self._stage = stage
        self._attack = attack
        self._size = stage.scale.attack_size
        self._own = stage.receiver()
        self._others = stage.receiver()
        self.service = stage.service(postgres=server, descriptors=attack.descriptors)
        """Seeded by `seed`, started by `run`."""
        self._memory: list[float] = []

    def seed(self) -> None:
        """Both organizations with keys and webhooks, and what of the attack is in the database."""
        attack = self._attack
        url = f"http://127.0.0.1:{self._others.port}/{attack.answer}"
        own = f"http://127.0.0.1:{self._own.port}/hook"
        hooks = self._sized(attack.webhooks)
        copies = [[ATTACKER, hooks - 1, "active"]]
        if attack.deleted:
            copies.append([ATTACKER, self._sized(attack.deleted), "deleted"])
        events = self._sized(attack.pending, 20)
        self.service.seed(
            keys=[None, ATTACKER, VICTIM],
            webhooks=[(ATTACKER, url), (VICTIM, own)],
            copies=copies,
            attempts=[1, self._sized(attack.attempts) if attack.attempts else 0],
            pending=[[ATTACKER, events]] if attack.pending else [],
            pending_at_once=max(HOOKS_AT_ONCE // hooks, 1),
        )

    def run(self) -> dict:
        """Start the service, attack it, let the victim post, end the service."""
        service = self._stage.enter(self.service)
        get(service.port, "/api/openapi.json")  # waits for what a node loads after its start
        self._sample_memory()
        at_rest = self._memory[0]
        attacker = None if self._attack.leases else self._begin()
        self._lead()
        victim = self._part("victim.py", self._victim_orders())
        self._wait_for(victim)
        measured = victim.answer()
        arrived = self._arrived(_events(measured))
        leases = None
        if self._attack.leases:
            self._others.ask("/hold")
            attacker = self._begin()
            leases = self._fill()
        if attacker is not None:
            attacker.signal(signal.SIGUSR1)
        if "finish" in self._attack.orders:
            self._wait_for(attacker)
        if self._stage.scale.name == "quick":  # what hangs would take its whole time
            self._others.ask("/release")
            if attacker is not None:
                attacker.stop()
        seconds = service.terminate(STOP_PATIENCE)
        return {
            **measured,
            **arrived,
            **self._recorded(),
            "at_rest_mib": at_rest,
            "memory_mib": max(self._memory),
            "leases": leases,
            "attacker": attacker.answer() if attacker else {},
            "stop_s": STOP_PATIENCE if seconds is None else seconds,
            "killed": seconds is None,
        }

    def _scaled(self, seconds: float) -> float:
        """Seconds of a wait: a tenth of them in a quick run."""
        return seconds / 10 if self._stage.scale.name == "quick" else seconds

    def _sized(self, full: int, least: int = 1) -> int:
        return max(round(full * self._size), min(full, least))

    def _begin(self) -> Part | None:
        attack, service = self._attack, self.service
        if not attack.mode:
            return None
        key = service.keys[_organization(ATTACKER)]
        orders = {
            "mode": attack.mode,
            "port": service.port,
            "clients": self._sized(attack.clients, 2),
            "key": key,
            "organization": _organization(ATTACKER),
            "url": f"http://127.0.0.1:{self._others.port}/hook",
            **attack.orders,
        }
        if "events" in orders:
            orders["events"] = self._sized(orders["events"])
        if "head" in orders:
            orders["head"] = orders["head"].format(key=key)
        if attack.mode == "read":
            orders["cookie"] = service.session(_organization(ATTACKER))
        return self._part("attacker.py", orders)

    def _lead(self) -> None:
        """Wait as long as the attack is ahead of the victim."""
        end = time.monotonic() + self._scaled(self._attack.lead)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            self._sample_memory()

    def _fill(self) -> int:
        """Wait until the node holds the leases it should; how many it holds."""
        end = time.monotonic() + self._scaled(FILL_SECONDS)
        held, wanted = 0, self._sized(self._attack.leases)
        while held < wanted and time.monotonic() < end:
            time.sleep(0.1)
            held = self.service.ask_database(LEASES)
        return held

    def _victim_orders(self) -> dict:
        attack, service, name = self._attack, self.service, _organization(VICTIM)
        one = {"key": service.keys[name], "organization": name}
        streams = [{"name": "single", "rate": RATE, "batch": 1, **one}]
        if attack.leases:
            self._others.ask("/release")
            name = _organization(ATTACKER)
            warm = {"key": service.keys[name], "organization": name}
            streams.append({"name": "warm", "rate": WARM_RATE, "batch": 1, **warm})
        if attack.batches:
            streams.append({"name": "batch", "rate": 2, "batch": 100, **one})
        probes = [{"name": path, "path": f"/{path}"} for path in ("healthz", "readyz")]
        if attack.page:
            path = "/settings/webhooks/logs"
            probes.append({"name": "page", "path": path, "cookie": service.session(name)})
        seconds = self._stage.scale.attack_seconds
        return {"port": service.port, "seconds": seconds, "streams": streams, "probes": probes}

    def _part(self, name: str, orders: dict) -> Part:
        return self._stage.enter(Part(name, orders, self._stage.folder))

    def _wait_for(self, part: Part | None) -> None:
        """Wait until a part ends by itself; read the memory at intervals."""

        def ended() -> bool:
            self._sample_memory()
            return part is None or part.ended

        until(ended, "the end of a part", seconds=180.0)

    def _sample_memory(self) -> None:
        resident = self.service.resident_mib()
        if not resident:  # as the kernel says of a process that has ended
            raise BenchError("the service ended by itself")
        self._memory.append(resident)

    def _arrived(self, events: int) -> dict:
        """Delays at the victim's receiver, and how many events did not get there in time."""
        delays: list[float] = []
        end = time.monotonic() + GRACE
        while len(delays) < events and time.monotonic() < end:
            time.sleep(0.05)
            delays += self._own.ask("/report")["delays_ms"]
        return {
            "delivered_ms": spread(delays) if delays else {},
            "undelivered": max(events - len(delays), 0),
        }

    def _recorded(self) -> dict:
        """Failed attempts of the victim, and of anybody where no receiver was to blame."""
        whose = f"organization = '{_organization(VICTIM)}'"
        failed = "SELECT count(*) FROM attempt WHERE outcome = 'failed'"
        return {
            "failed_attempts": self.service.ask_database(f"{failed} AND {whose}"),
            "own_lack": self.service.ask_database(
                f"{failed} AND error_kind NOT IN ('status', 'timeout')"
            ),
        }


def _organization(number: int) -> str:
    return f"org_{number:06}"


def _events(measured: dict) -> int:
    """Events of the victim that were accepted."""
    single = measured["single"]["statuses"].get("202", 0)
    batch = measured.get("batch", {"statuses": {}, "errors": 0})
    return single + 100 * batch["statuses"].get("202", 0) - batch["errors"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="+", choices=sorted(BY_NAME))
    options.add_argument("--database", default="sqlite", choices=("sqlite", "postgresql"))
    options.add_argument("--quick", action="store_true")
    options.add_argument("--data", type=Path, default=Path("/var/tmp"))
    given = options.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # through the ends of all that was begun
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.data) as name:
        folder = Path(name)
        try:
            with Stage(QUICK if given.quick else NORMAL, folder, folder) as stage:
                server = stage.postgres() if given.database == "postgresql" else None
                for one in given.names:
                    found = turn(stage, BY_NAME[one], server)
                    print(json.dumps(found | {"database": given.database}), flush=True)
        finally:
            end_all()


if __name__ == "__main__":
    sys.exit(main())

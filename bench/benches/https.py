"""https: 200 receivers behind TLS, each with an address and a certificate of its own.

One event for one receiver after another, over connections that stay (warm), and to receivers
that close after every answer, so that every attempt needs a new handshake (cold). The same 200
addresses without TLS are measured too. The difference is what a handshake costs.
"""

import json
import sys

from bench.arithmetic import median, median_of, median_ratio
from bench.child import Child, get
from bench.processes import PARTS, free_port
from bench.stage import Outcome, Stage, Table, burst
from bench.svg import Bar, bars

FIRST_ADDRESS = "127.0.1."
KINDS = {
    "plain": "HTTP, connections stay",
    "warm": "HTTPS, connections stay",
    "cold": "HTTPS, a handshake each",
}


class TlsReceivers(Child):
    """`parts/tls_receiver.py`, with the file of the authority to trust."""

    def __init__(self, stage: Stage) -> None:
        self.port = free_port()
        self.authority = stage.folder / "authority.pem"
        count = str(stage.scale.tls_receivers)
        super().__init__(
            [sys.executable, PARTS / "tls_receiver.py", f"{FIRST_ADDRESS}1", str(self.port), count,
             self.authority],
            stage.folder,
        )  # fmt: skip
        self.wait_for(self.port, "/report")

    def ask(self, path: str) -> dict:
        return json.loads(get(self.port, path))


def run(stage: Stage) -> Outcome:
    count = stage.scale.tls_receivers
    plain = stage.receiver(f"{FIRST_ADDRESS}1", count)
    tls = stage.enter(TlsReceivers(stage))
    # OpenSSL takes its trusted authorities from the file this names.
    service = stage.service(environment={"SSL_CERT_FILE": str(tls.authority)})
    receivers = {"plain": plain, "warm": tls, "cold": tls}
    urls = {
        "plain": f"http://{{}}:{plain.port}/hook",
        "warm": f"https://{{}}:{tls.port}/keep",
        "cold": f"https://{{}}:{tls.port}/close",
    }
    firsts = {kind: number * count for number, kind in enumerate(KINDS)}
    service.seed(webhooks=[
        (firsts[kind] + number, urls[kind].format(f"{FIRST_ADDRESS}{number + 1}"))
        for kind in KINDS
        for number in range(count)
    ])  # fmt: skip
    stage.enter(service)
    rounds = []
    for number in range(-1, stage.scale.rounds):
        found = {}
        for kind, receiver in receivers.items():
            seconds = stage.scale.seconds if number >= 0 else stage.scale.seconds / 3
            found[kind] = burst(service, receiver, stage.scale.clients, seconds,
                                first=firsts[kind], organizations=count)  # fmt: skip
        if number >= 0:  # the one before is the warm-up
            rounds.append(found)
            stage.say(f"round {number + 1} of {stage.scale.rounds}")
    return _outcome(rounds, count)


def _outcome(rounds: list[dict], count: int) -> Outcome:
    rows = [
        [label, median_of(rounds, kind, "events_per_s"), median_of(rounds, kind, "cpu_us"),
         median_of(rounds, kind, "new_connections_per_event"),
         median_of(rounds, kind, "receiver_cpu_us")]
        for kind, label in KINDS.items()
    ]  # fmt: skip
    figures = {f"{kind}_cpu_us": median_of(rounds, kind, "cpu_us") for kind in KINDS}
    figures |= {
        "handshake_us": median(one["cold"]["cpu_us"] - one["warm"]["cpu_us"] for one in rounds),
        "warm_to_plain": median_ratio(rounds, ("warm", "cpu_us"), ("plain", "cpu_us")),
    }
    columns = ["", "events/s", "CPU µs/event", "connections/event", "receivers' CPU µs/event"]
    title = f"{count} receivers, one event for one at a time"
    note = (
        f"A handshake costs the service {figures['handshake_us']:,.0f} µs of CPU. Over a "
        f"connection that stays, an event costs {figures['warm_to_plain']:.2f} times what it "
        "costs without TLS. The receivers' CPU is of the same cores, and bounds the cold rate."
    )
    plot = bars("CPU of the service an event", [Bar(row[0], row[2]) for row in rows], "µs")
    return Outcome([Table(title, columns, rows)], figures, rounds, [note], {"https.svg": plot})

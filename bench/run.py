"""The first bench: events per second from accepted to logged, and what one costs.

Usage: run.py [--events N] [--clients N] [--rounds N]. Starts the server, a receiver and a load
generator as processes of their own on loopback, and the egress client alone beside them, in
turn, several rounds; the ratio of the two within a round is the result, the rest is context.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import HERE, Server, answers, cpu_seconds, free_port, until


def run_load(server, clients, events):
    command = [sys.executable, str(HERE / "load.py"), str(server.port), server.key]
    before = server.logged()
    cpu = cpu_seconds(server.process.pid)
    started = time.monotonic()
    load = json.loads(subprocess.check_output([*command, str(clients), str(events)]))
    until(lambda: server.logged() - before >= events)
    seconds = time.monotonic() - started
    if load["statuses"] != {"202": events}:
        raise SystemExit(f"not all accepted: {load['statuses']}")
    used = cpu_seconds(server.process.pid) - cpu
    return load | {"seconds": seconds, "cpu": used}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}; {options.events} events a round, ", end="")
    print(f"{options.clients} clients, SQLite with synchronous=FULL")
    receiver_port = free_port()
    receiver = subprocess.Popen([sys.executable, str(HERE / "receiver.py"), str(receiver_port)])
    ratios = []
    try:
        until(lambda: answers(f"http://127.0.0.1:{receiver_port}/count"))
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder))
            server.webhook("org_bench", f"http://127.0.0.1:{receiver_port}/hook")
            try:
                run_load(server, options.clients, 2_000)
                header = ("round", "events/s", "CPU us/event", "accept p50/p99 ms")
                print("{:>5} {:>10} {:>13} {:>19}".format(*header), end="")
                print(f" {'egress alone/s':>15} {'CPU us/post':>12} {'ratio':>6}")
                for number in range(1, options.rounds + 1):
                    load = run_load(server, options.clients, options.events)
                    limit_command = [sys.executable, str(HERE / "limit.py"), str(receiver_port)]
                    limit = json.loads(
                        subprocess.check_output([*limit_command, str(options.events)])
                    )
                    event_us = load["cpu"] / options.events * 1e6
                    post_us = limit["cpu"] / options.events * 1e6
                    ratios.append(event_us / post_us)
                    latency = f"{load['p50_ms']:.1f} / {load['p99_ms']:.1f}"
                    print(
                        f"{number:>5} {options.events / load['seconds']:>10.0f} {event_us:>13.1f}"
                        f" {latency:>19} {options.events / limit['seconds']:>15.0f}"
                        f" {post_us:>12.1f} {ratios[-1]:>6.1f}"
                    )
            finally:
                server.stop()
    finally:
        receiver.terminate()
        receiver.wait(10)
    print(f"An event costs {statistics.median(ratios):.1f} times a bare post (median).")


if __name__ == "__main__":
    main()

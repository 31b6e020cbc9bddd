"""The load: posts events over keep-alive connections; one thread, one epoll, bytes made before.

Usage: load.py, with its orders as JSON on stdin:

port            where to, on 127.0.0.1
key             the API key
path            default /api/v1/events
mode            "closed": each client posts again when it has its answer;
                "open": `rate` requests a second, whether answers come or not
clients         connections
seconds         how long requests are begun
rate            open only: requests a second
first           number of the first organization, as in org_000000; default 0
organizations   how many, in turn; default 1
batch           events a request; default 1; needs the path of the batch call
stamped         the events say when they were due, for the receiver; default: in open mode
event           the JSON of one event, for another service: "%s" stands for the fields of its data,
                which then always hold the organization

Prints JSON: requests, events, statuses, errors (answers to a batch that hold one), refused (the
first answer other than 2xx, as text, or null), first and last (monotonic seconds: first request
sent, last answer there), cpu (seconds), accept_ms and late_ms (p50, p95, p99, max). In open mode a
request's time counts from when it was due, and `late_ms` says how far behind the load itself was.
"""

import json
import math
import select
import socket
import sys
import time

DATA = (
    '{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com","company":{"id":'
    '"company_abc","name":"Example Ltd"},"tags":["lead","newsletter"],"score":87.5'
)
STAMP_BASE = 10**15
PATIENCE = 60
"""Seconds without any answer until it gives up."""


class Requests:
    """Makes the bytes of one request after another."""

    def __init__(self, orders):
        stamped = orders.get("stamped", orders["mode"] == "open")
        batch = orders.get("batch", 1)
        stamp = ',"sent":%d' if stamped else ""
        event = f'{{"event":"contact.created","organizationId":"org_%06d","data":{DATA}{stamp}}}}}'
        if "event" in orders:
            fields = f'"organization":"org_%06d",{DATA[1:]}{stamp}'
            event = orders["event"].replace("%s", fields)
        body = event if batch == 1 else f"[{','.join([event] * batch)}]"
        self.first = orders.get("first", 0)
        self.organizations = orders.get("organizations", 1)
        self.stamped = stamped
        self.events = batch
        self.sent = 0
        head = (
            f"POST {orders.get('path', '/api/v1/events')} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{orders['port']}\r\nAuthorization: Bearer {orders['key']}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        length = len(body % self.values(0.0))
        self.template = f"{head.replace('%', '%%')}{length}\r\n\r\n{body}".encode()
        only = self.organizations == 1 and not stamped
        self.constant = self.template % self.values(0.0) if only else None

    def values(self, due):
        organization = self.first + self.sent % self.organizations
        one = (organization, STAMP_BASE + int(due * 1e6)) if self.stamped else (organization,)
        return one * self.events

    def next(self, due):
        request = self.constant or self.template % self.values(due)
        self.sent += 1
        return request


class Client:
    __slots__ = ("due", "part", "socket")

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.part = b""
        self.due = 0.0


class Load:
    def __init__(self, orders):
        self.orders = orders
        self.requests = Requests(orders)
        self.poll = select.epoll()
        self.clients = {}
        for _ in range(orders["clients"]):
            client = Client(orders["port"])
            self.clients[client.socket.fileno()] = client
            self.poll.register(client.socket, select.EPOLLIN)
        self.statuses = {}
        self.errors = 0
        self.refused = None
        self.times = []
        self.late = []
        self.last = 0.0

    def send(self, client, due):
        client.due = due
        client.socket.sendall(self.requests.next(due))

    def answered(self, timeout):
        """The clients whose answer is whole, waiting up to `timeout` seconds for a first one."""
        free = []
        for number, _ in self.poll.poll(timeout):
            client = self.clients[number]
            data = client.socket.recv(262_144)
            if not data:
                raise SystemExit("the server closed a connection")
            if client.part:
                data = client.part + data
            end = data.find(b"\r\n\r\n")
            if end < 0 or len(data) < end + 4 + content_length(data, end):
                client.part = data
                continue
            client.part = b""
            self.last = now = time.monotonic()
            self.times.append(now - client.due)
            status = data[9:12]
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if not status.startswith(b"2") and self.refused is None:
                self.refused = data[:2_000].decode(errors="replace")
            if self.requests.events > 1 and b'{"error"' in data:
                self.errors += 1
            free.append(client)
        return free

    def closed(self):
        end = time.monotonic() + self.orders["seconds"]
        for client in self.clients.values():
            self.send(client, time.monotonic())
        while len(self.times) < self.requests.sent:
            free = self.answered(PATIENCE)
            if not free and time.monotonic() - max(self.last, end) > PATIENCE:
                raise SystemExit("no answer any more")
            now = time.monotonic()
            if now < end:
                for client in free:
                    self.send(client, now)

    def open(self):
        free = list(self.clients.values())
        rate, count = self.orders["rate"], math.ceil(self.orders["rate"] * self.orders["seconds"])
        started = time.monotonic()
        while len(self.times) < count:
            now = time.monotonic()
            due = started + self.requests.sent / rate
            if free and due <= now and self.requests.sent < count:
                self.late.append(now - due)
                self.send(free.pop(), due)
                continue
            # epoll counts in milliseconds; select, asked about the epoll itself, in micros.
            wait = due - now if free and self.requests.sent < count else 1.0
            select.select((self.poll,), (), (), max(wait, 0.0))
            free += self.answered(0)
            if now - max(self.last, started) > PATIENCE:
                raise SystemExit("no answer any more")

    def run(self):
        cpu = time.process_time()
        first = time.monotonic()
        self.open() if self.orders["mode"] == "open" else self.closed()
        return {
            "requests": self.requests.sent,
            "events": self.requests.sent * self.requests.events,
            "statuses": {status.decode(): n for status, n in self.statuses.items()},
            "errors": self.errors,
            "refused": self.refused,
            "first": first,
            "last": self.last,
            "cpu": time.process_time() - cpu,
            "accept_ms": spread(self.times),
            "late_ms": spread(self.late),
        }


def content_length(data, end):
    head = data[:end].lower()
    at = head.find(b"content-length: ") + 16
    return int(head[at:].split(b"\r", 1)[0])


def spread(seconds):
    """Nearest-rank percentiles, in milliseconds."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    ranks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: ordered[math.ceil(share * len(ordered)) - 1] * 1000 for name, share in ranks.items()
    }


if __name__ == "__main__":
    print(json.dumps(Load(json.load(sys.stdin)).run()))

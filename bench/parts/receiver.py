"""A receiver that costs next to nothing: one thread, one epoll, nothing parsed beyond need.

Usage: receiver.py ADDRESS PORT [COUNT], on COUNT loopback addresses counting up from ADDRESS.

POST /hook      200, at once
POST /later     429 with Retry-After: 60, at once
POST /hang      no answer while it holds (which it does from the start), then 200
GET /hold       hold from now on
GET /release    hold no more, and answer all that were held
GET /report     JSON, then resets it: {"seen": POSTs answered or held, "connections": new ones,
                "delays_ms": of each answered POST whose body says when it was sent, the
                milliseconds from then until its first byte was here}
"""

import ipaddress
import json
import resource
import select
import socket
import sys
import time

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LATER = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
STAMP = b'"sent":'
STAMP_DIGITS = 16
STAMP_BASE = 10**15
"""Added to microseconds of the monotonic clock, so that all stamps have as many digits."""


class Receiver:
    def __init__(self, addresses, port):
        self.poll = select.epoll()
        self.listeners = {}
        for address in addresses:
            listener = socket.create_server((str(address), port), backlog=1024)
            listener.setblocking(False)
            self.listeners[listener.fileno()] = listener
            self.poll.register(listener, select.EPOLLIN)
        self.connections = {}
        self.parts = {}
        self.held = []
        self.holds = True
        self.seen = self.new = 0
        self.delays = []

    def run(self):
        while True:
            for number, _ in self.poll.poll():
                if number in self.listeners:
                    self.welcome(self.listeners[number])
                else:
                    self.read(number, self.connections[number])

    def welcome(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody waits any more, or no descriptor is left for who does
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[connection.fileno()] = connection
            self.new += 1
            self.poll.register(connection, select.EPOLLIN)

    def read(self, number, connection):
        now = time.monotonic()
        try:
            data = connection.recv(262_144)
        except OSError:
            data = b""
        if not data:
            del self.connections[number]
            self.parts.pop(number, None)
            connection.close()
            return
        if self.parts:
            data = self.parts.pop(number, b"") + data
        end = data.find(b"\r\n\r\n")
        if end >= 0 and data.startswith(b"GET"):
            connection.sendall(self.asked(data.split(b" ", 2)[1]))
            return
        at = data.find(b"Content-Length: ") + 16
        if at == 15:  # other senders write it in lower case
            at = data.lower().find(b"content-length: ") + 16
        if end < 0 or len(data) < end + 4 + int(data[at : data.find(b"\r", at)]):
            self.parts[number] = data
            return
        self.seen += 1
        if self.holds and data.startswith(b"POST /hang"):
            self.held.append(connection)
            return
        if data.startswith(b"POST /later"):
            connection.sendall(LATER)
            return
        at = data.find(STAMP, end)
        if at >= 0:
            at += len(STAMP)
            sent = int(data[at : at + STAMP_DIGITS]) - STAMP_BASE
            self.delays.append(round(now * 1000 - sent / 1000, 3))
        connection.sendall(OK)

    def asked(self, path):
        if path == b"/hold":
            self.holds = True
        if path == b"/release":
            self.release()
        self.new -= 1  # the connection of this request does not count
        report = {}
        if path == b"/report":
            report = {"seen": self.seen, "connections": self.new, "delays_ms": self.delays}
            self.seen, self.new, self.delays = 0, 0, []
        body = json.dumps(report).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def release(self):
        self.holds = False
        for connection in self.held:
            try:
                connection.sendall(OK)
            except OSError:
                continue  # the client has closed the connection
        self.held = []


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    first, port = ipaddress.ip_address(sys.argv[1]), int(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    Receiver([first + number for number in range(count)], port).run()


if __name__ == "__main__":
    main()

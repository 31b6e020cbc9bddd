"""Many receivers behind TLS in one process, each with an address and a certificate of its own.

Usage: tls_receiver.py ADDRESS PORT COUNT CA_FILE, on COUNT loopback addresses counting up from
ADDRESS. Writes to CA_FILE the authority that vouches for them before it listens.

POST /keep      200, and the connection stays
POST /close     200 with `Connection: close`: the next request needs a handshake
GET /report     JSON, then resets it: {"seen": POSTs, "connections": new ones}
"""

import asyncio
import ipaddress
import json
import ssl
import sys

import trustme
import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n"
KEEP = HEAD % (2, b"") + b"ok"
CLOSE = HEAD % (2, b"Connection: close\r\n") + b"ok"


class Protocol(asyncio.Protocol):
    seen = 0
    new = 0

    def connection_made(self, transport):
        Protocol.new += 1
        self.transport = transport
        self.part = b""

    def data_received(self, data):
        data = self.part + data
        end = data.find(b"\r\n\r\n")
        if end >= 0 and data.startswith(b"GET"):
            self.report()
            return
        at = data.find(b"Content-Length: ") + 16
        if end < 0 or len(data) < end + 4 + int(data[at : data.find(b"\r", at)]):
            self.part = data
            return
        self.part = b""
        Protocol.seen += 1
        if data.startswith(b"POST /close"):
            self.transport.write(CLOSE)
            self.transport.close()
        else:
            self.transport.write(KEEP)

    def report(self):
        Protocol.new -= 1  # the connection of this request does not count
        body = json.dumps({"seen": Protocol.seen, "connections": Protocol.new}).encode()
        Protocol.seen = Protocol.new = 0
        self.transport.write(HEAD % (len(body), b"Connection: close\r\n") + body)
        self.transport.close()


async def main():
    first, port, count = ipaddress.ip_address(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    authority = trustme.CA()
    authority.cert_pem.write_to_path(sys.argv[4])
    loop = asyncio.get_running_loop()
    for number in range(count):
        address = str(first + number)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(address).configure_cert(context)
        await loop.create_server(Protocol, address, port, ssl=context, backlog=1024)
    # It answers over a plain connection, so that the bench needs no certificate to ask.
    await loop.create_server(Protocol, "127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())

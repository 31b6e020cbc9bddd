"""A receiver that costs next to nothing: counts requests, answers 200, prints nothing.

Usage: receiver.py PORT. `GET /count` answers how many POSTs it has seen.
"""

import asyncio
import sys

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Protocol(asyncio.Protocol):
    seen = 0

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        if self.buffer:
            data = self.buffer + data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            if data.startswith(b"GET"):
                body = str(Protocol.seen).encode()
                self.transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                data = data[end + 4 :]
                continue
            at = data.find(b"Content-Length: ") + 16
            whole = end + 4 + int(data[at : data.find(b"\r", at)])
            if len(data) < whole:
                break
            Protocol.seen += 1
            self.transport.write(OK)
            data = data[whole:]
        self.buffer = data


async def main():
    server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


uvloop.run(main())

"""The HTTP/1.1 server of the API and the settings page, over asyncio transports and llhttp.

- `http_server` listens, and stops gracefully; `open_connections` bounds the open connections.
- `client_connection` is one caller's connection. It reads a head (`request_head`), then the body
  (`body_framing`), then waits for the answer before it reads the next request.
- `asgi_request` answers a request by calling the ASGI application. `fast_path` answers most of the
  calls that send one event, without ASGI. `head_cache` spares them the parser.
- `connection_timeouts` ends what takes too long.
"""

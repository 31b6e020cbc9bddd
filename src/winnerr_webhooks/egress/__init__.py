"""Egress: the outgoing HTTP client. Only this package opens sockets to customers' URLs.

- `client`: sends one POST; uses all of the following
- `address_policy`: which addresses and ports may be reached
- `resolver`: the addresses of a host name
- `dialer`: connects to one of these addresses
- `proxy_connector`: connects through a proxy instead
- `tls`: the settings of the TLS handshake; `client_contexts`: those with a client certificate
- `outgoing_connection`: sends a request on a connection
- `response_reader`: reads its response, with `lenient_head`, `response_framing` and
  `response_head_cache`
- `pool`: keeps connections for the next request
- `deadlines`: ends requests that take too long
- `failures`: describes what went wrong
- `local_shortage`: recognizes failures that are this machine's fault
"""

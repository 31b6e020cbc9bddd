"""The REST API and the HTTP server.

- `http_app` is the ASGI application: it routes a request to one of the next three.
- `event_endpoint` takes events, and `probes` answers operators.
- `rest_api` has all other calls, which are in `routes/`; `docs/` describes them.
  `deferred_app` loads it, and the settings page, when the node is ready.
- `http/` is the server. Most events take its fast path, straight to `event_endpoint`.
- `auth` knows whose key it is, `request_body` reads bodies, `problems` makes error answers.

Rules are elsewhere, because the settings page and the command line need them too:
`domain.submission` checks events, and `management` changes webhooks.
"""

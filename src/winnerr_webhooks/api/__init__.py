"""The REST API: `app` puts it together, `events` is its hot road, `routes/` is all the rest.

Nothing is decided here that a caller of another face would need too: events are judged by
`domain.submission`, changes by `management`, and this package turns HTTP into their words and
their answers and errors back into HTTP.
"""

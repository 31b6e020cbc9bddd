"""Several processes that serve together: one port, one supervisor, metrics side by side.

`supervisor` starts them and starts them again, `membership` is what each of them is given,
`listener` the socket they share, `figures` how the one that is asked shows the metrics of all.
"""

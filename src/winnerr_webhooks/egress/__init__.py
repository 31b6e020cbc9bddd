"""Egress: the outgoing HTTP client, and the one place that opens a socket to a customer's URL.

`policy` says which addresses may be reached, `resolver` what addresses a name has, `dialer`
connects to one of them, `tls` sets the rules of the handshake, `connection` sends a request and
reads no more of the answer than it must, `pool` keeps connections for the next one, `deadline`
ends what takes too long, `failures` puts what went wrong into words, `shortage` tells
a shortage on this machine apart from it, `client` joins them.
"""

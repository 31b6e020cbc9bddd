"""TLS as we speak it to receivers."""

import ssl


def client_context() -> ssl.SSLContext:
    """Certificates and host names verified, TLS 1.2 or newer, HTTP/1.1 and nothing else.

    Not `ssl.create_default_context`, which would write session keys to the file an environment
    variable names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies both by default
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # names are the SAN's alone (RFC 9110 4.3.4)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context

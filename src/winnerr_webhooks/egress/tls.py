"""TLS as we speak it to receivers."""

import ssl
from typing import Any, Final, cast

_HOSTNAME_MISMATCH: Final = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH."""


class _UnderscoreName(ssl.SSLObject):
    """A TLS connection to a host with an underscore in its name.

    OpenSSL lets a wildcard stand for letters, digits and hyphens only. Browsers let it stand for
    any one label, so here the name is compared after the handshake, before anything is sent.
    """

    def do_handshake(self) -> None:
        """Go on with the handshake; `SSLCertVerificationError` when the name is another's."""
        super().do_handshake()
        certificate = cast("dict[str, Any]", self.getpeercert())
        names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
        host = self.server_hostname or ""
        if not any(_is_name_of(name, host) for name in names):
            error = ssl.SSLCertVerificationError(1, "The certificate is for another host.")
            error.reason = "CERTIFICATE_VERIFY_FAILED"
            error.verify_code = _HOSTNAME_MISMATCH
            raise error


def _is_name_of(name: str, host: str) -> bool:
    """Whether a name of a certificate stands for `host` (RFC 9525, 6.3)."""
    name, host = name.lower(), host.lower()
    if name.startswith("*."):
        label, _, host = host.partition(".")
        return bool(label) and "." in host and name[2:] == host
    return name == host


class _Context(ssl.SSLContext):
    """OpenSSL compares the names, except where it cannot."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """A TLS connection in memory; asyncio and uvloop make theirs here."""
        openssl_compares = "_" not in (options.get("server_hostname") or "")
        self.check_hostname = openssl_compares
        self.sslobject_class = ssl.SSLObject if openssl_compares else _UnderscoreName
        try:
            return super().wrap_bio(*arguments, **options)
        finally:
            self.check_hostname = True
            self.sslobject_class = ssl.SSLObject


def client_context() -> ssl.SSLContext:
    """Certificates and host names verified, TLS 1.2 or newer, HTTP/1.1 and nothing else.

    Not `ssl.create_default_context`, which would write session keys to the file an environment
    variable names.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # verifies both by default
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # names are the SAN's alone (RFC 9110 4.3.4)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context

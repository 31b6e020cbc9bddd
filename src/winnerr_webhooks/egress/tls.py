"""The TLS settings for connections to receivers."""

import ssl
from typing import Any, Final, cast

_HOSTNAME_MISMATCH: Final = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH."""


class _UnderscoreName(ssl.SSLObject):
    """A TLS connection to a host with an underscore in its name.

    OpenSSL does not match such a name against a wildcard, while browsers do. So the name is
    compared here, after the handshake and before anything is sent.
    """

    def do_handshake(self) -> None:
        """Continue the handshake; `SSLCertVerificationError` if the name does not match."""
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
    """Whether a name of a certificate matches `host` (RFC 9525, 6.3)."""
    name, host = name.lower(), host.lower()
    if name.startswith("*."):
        label, _, host = host.partition(".")
        return bool(label) and "." in host and name[2:] == host
    return name == host


class _Context(ssl.SSLContext):
    """An SSL context that leaves the comparison of names to OpenSSL unless there is an underscore.

    asyncio and uvloop create their TLS connections with `wrap_bio`.
    """

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Create a TLS connection in memory."""
        openssl_compares = "_" not in (options.get("server_hostname") or "")
        self.check_hostname = openssl_compares
        self.sslobject_class = ssl.SSLObject if openssl_compares else _UnderscoreName
        try:
            return super().wrap_bio(*arguments, **options)
        finally:
            self.check_hostname = True
            self.sslobject_class = ssl.SSLObject


def client_context() -> ssl.SSLContext:
    """Return a context that verifies certificates and host names, for TLS 1.2 or newer.

    `ssl.create_default_context` is not used because it honors SSLKEYLOGFILE, which writes session
    keys to a file.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificates and names by default
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # only SANs count (RFC 9110 4.3.4)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context

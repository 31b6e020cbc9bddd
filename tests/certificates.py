"""Certificates for tests, made by the `openssl` command."""

import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """A private key and its certificate, as files and as PEM."""

    key_file: Path
    certificate_file: Path

    @property
    def key(self) -> str:
        return self.key_file.read_text()

    @property
    def certificate(self) -> str:
        return self.certificate_file.read_text()

    @property
    def auth(self) -> dict[str, str]:
        """The authentication of a webhook that has this certificate."""
        return {"type": "mtls", "certificate": self.certificate, "privateKey": self.key}


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "ca.pem"
        _openssl(
            folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", f"/CN={name}",
        )  # fmt: skip

    def issue(self, name: str, *key: str, usage: str = "clientAuth", host: str = "") -> Identity:
        """Issue a certificate; `key` are the arguments of `-newkey`."""
        key = key or ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        extensions = f"extendedKeyUsage={usage}\n" + (f"subjectAltName={host}\n" if host else "")
        (self.folder / f"{name}.ext").write_text(extensions)
        _openssl(
            self.folder, "req", "-newkey", *key, "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}",
        )  # fmt: skip
        _openssl(
            self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "20", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
        return Identity(self.folder / f"{name}.key", self.folder / f"{name}.pem")

    def server_context(self, *, clients: bool = True) -> ssl.SSLContext:
        """A server on 127.0.0.1 that demands a certificate of this authority from its clients."""
        identity = self.issue("server", usage="serverAuth", host="IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate_file, identity.key_file)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context


class AlertingServer:
    """A TLS server on a thread that answers `200 OK` to the first request of each connection.

    It writes to its socket itself, so its alerts are sent. Those of asyncio's servers are not.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), plain:
                plain.settimeout(10)
                with self._context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(65_536)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    secure.recv(1)


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr

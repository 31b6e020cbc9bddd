"""Client certificates as docs/how-to/authenticate-to-your-receiver.md has them, in a real nginx."""

import asyncio
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.certificates import Authority
from tests.postgres import free_port

from winnerr_webhooks.domain.client_identity import ClientIdentity
from winnerr_webhooks.domain.diagnosis import diagnose
from winnerr_webhooks.domain.url import parse_url
from winnerr_webhooks.egress.tls import client_context

PAGE = Path(__file__).parents[3] / "docs/how-to/authenticate-to-your-receiver.md"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

pytestmark = pytest.mark.skipif(not Path(NGINX).exists(), reason="it needs nginx")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
async def nginx(tmp_path):
    """Nginx as the page configures it: its port."""
    authority = Authority(tmp_path)
    identity = authority.issue("server", usage="serverAuth", host="IP:127.0.0.1")
    make = ["sh", "-ec", block("sh")]
    await asyncio.to_thread(subprocess.run, make, cwd=tmp_path, check=True, capture_output=True)
    port = free_port()
    lines = block("nginx").replace("/etc/nginx/ca.pem", str(authority.file))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/nginx.pid; error_log stderr;\n"
        "events {}\nhttp { access_log off;\n"
        + "".join(
            f"{name}_temp_path {tmp_path}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"server {{ listen 127.0.0.1:{port} ssl;\n"
        f"ssl_certificate {identity.certificate_file}; ssl_certificate_key {identity.key_file};\n"
        f"{lines}\nlocation / {{ return 200 $ssl_client_s_dn; }} }} }}\n"
    )
    process = await asyncio.create_subprocess_exec(NGINX, "-c", tmp_path / "nginx.conf")
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert process.returncode is None, "nginx ended"
            await asyncio.sleep(0)
        else:
            writer.close()
            break
    yield port
    process.terminate()
    await process.wait()


async def test_nginx_takes_the_certificate_of_the_page_and_its_refusals_are_explained(
    nginx, tmp_path, make_client
):
    def new_context() -> ssl.SSLContext:
        context = client_context()
        context.load_verify_locations(tmp_path / "ca.pem")
        return context

    client = make_client(new_context=new_context)
    url = f"https://127.0.0.1:{nginx}/hook"

    async def post(identity: ClientIdentity | None):
        destination = replace(parse_url(url, allow_http=False), identity=identity)
        head = b"POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
        return await client.post(destination, "org_1", head, b"{}")

    own = ClientIdentity.of(
        (tmp_path / "webhooks.pem").read_text(), (tmp_path / "webhooks.key").read_text()
    )
    accepted = await post(own)
    assert (accepted.status, accepted.response_body) == (200, b"CN=webhooks")
    other = Authority(tmp_path / "other", "Another CA").issue("mallory")
    for identity in (None, ClientIdentity.of(other.certificate, other.key)):
        refused = await post(identity)
        assert refused.status == 400
        found = diagnose(
            kind="status",
            code="",
            phase="",
            status=400,
            response_head=refused.response_head,
            response_body=refused.response_body,
            url=url,
        )
        assert "client certificate" in found.summary

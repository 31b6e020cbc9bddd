"""The proxies' configurations of the how-to: an event goes through, the metrics do not come out."""

import json

from code_blocks import Block, section
from harness import Service, free_port
from package_trial import JANE, ORGANIZATION
from reader import Reader
from smoke_rows import REFERENCES

_NGINX = """
daemon off;
pid nginx.pid;
events {}
http {
    access_log off;
    ssl_certificate certificate.pem;
    ssl_certificate_key key.pem;
%s
}
"""
_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=webhooks.example.com "
    "-keyout key.pem -out certificate.pem 2>/dev/null"
)


class ProxyTrial:
    """One proxy in front of the server, as its block configures it."""

    def __init__(self, name: str, service: Service, done: dict[str, str]) -> None:
        self.name = name
        self.service = service
        self.done = done
        self.port = free_port()

    def run(self) -> None:
        """Start it and send an event; `Failed` names what did not work."""
        (one,) = REFERENCES[self.name].sections
        (block,) = section(*one)
        with Reader({"KEY": self.service.key}) as reader:
            url = self._nginx(reader, block) if self.name == "proxy" else self._caddy(reader, block)
            reader.wait_for_port(self.port)
            event = {"event": "contact.created", "organizationId": ORGANIZATION, "data": JANE}
            (reader.folder / "event.json").write_text(json.dumps(event))
            authorization = '-H "Authorization: Bearer $KEY"'
            reader.run(f"curl --insecure {authorization} -d @event.json {url}/api/v1/events")
            reader.wait_for_output('"id": ?"evt_')
            self.done["emit"] = "curl"
            reader.run(f"if curl --insecure {url}/metrics; then exit 1; fi")
            self.done["blocks"] = str(reader.played)

    def _nginx(self, reader: Reader, block: Block) -> str:
        edit = {
            "127.0.0.1:8400": f"127.0.0.1:{self.service.port}",
            "127.0.0.1:8401": f"127.0.0.1:{free_port()}",  # the other node is down
            "443": f"127.0.0.1:{self.port}",
        }
        reader.run(_CERTIFICATE)
        reader.play([block._replace(file="nginx.conf", text=_NGINX % block.text)], edit=edit)
        reader.start("nginx -p . -c nginx.conf -e error.log")
        return f"https://127.0.0.1:{self.port}"

    def _caddy(self, reader: Reader, block: Block) -> str:
        """Without HTTPS: its certificate would come from an authority."""
        url = f"http://127.0.0.1:{self.port}"
        edit = {
            "webhooks.example.com": f"{{\n    admin off\n}}\n{url}",
            "127.0.0.1:8400": f"127.0.0.1:{self.service.port}",
        }
        reader.play([block._replace(file="Caddyfile")], edit=edit)
        reader.start("caddy run --config Caddyfile --adapter caddyfile")
        return url

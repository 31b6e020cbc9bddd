"""The settings of names: a receiver that was written for an older sender accepts the requests."""

import hashlib
import hmac
import json

from code_blocks import section
from harness import free_port
from package_trial import JANE, ORGANIZATION
from reader import Reader
from reference_trials import install_commands
from sink import Sink
from smoke_rows import REFERENCES
from terminal import Failed, wait_for

OLD_SECRET = "the secret of the older sender"  # noqa: S105  an example


class NamingTrial:
    """A server with the variables of the pages, and a receiver that looks at the headers."""

    def __init__(self, done: dict[str, str]) -> None:
        self.done = done
        self.port = free_port()

    def run(self) -> None:
        """Send an event; `Failed` says which header is not as the page says."""
        sink = Sink()
        url = f"http://127.0.0.1:{self.port}"
        variables = {
            "WINNERR_WEBHOOKS_PORT": str(self.port),
            "WINNERR_WEBHOOKS_PUBLIC_URL": url,
            "WINNERR_WEBHOOKS_ALLOW_HTTP": "true",
            "WINNERR_WEBHOOKS_ALLOW_NETWORKS": "127.0.0.0/8",
        }
        with Reader(variables) as reader:
            install_commands(reader)
            for one in REFERENCES["names"].sections:
                reader.play(section(*one))
            reader.start("winnerr-webhooks serve")
            reader.wait_for_port(self.port)
            reader.run(
                "export WINNERR_WEBHOOKS_API_KEY=$(winnerr-webhooks keys create --name crm)\n"
                f"curl {url}/api/v1/organizations/{ORGANIZATION}/webhooks "
                '-H "Authorization: Bearer $WINNERR_WEBHOOKS_API_KEY" '
                f'-d \'{{"url": "http://127.0.0.1:{sink.server_port}/hook", "events": ["*"], '
                f'"secret": "{OLD_SECRET}"}}\'\n'
                f"winnerr-webhooks emit contact.created --organization {ORGANIZATION} "
                f"--data '{json.dumps(JANE)}'"
            )
            self.done["emit"] = "command"
            (body,) = wait_for(lambda: sink.bodies, "the event", reader.check)
            self.done["blocks"] = str(reader.played)
        digest = hmac.new(OLD_SECRET.encode(), body, hashlib.sha256).hexdigest()
        expected = {
            "X-Hub-Signature-256": f"sha256={digest}",
            "X-Globex-CRM-Event": "contact.created",
        }
        (headers,) = sink.headers
        wrong = [
            f"{name} is not {value}"
            for name, value in expected.items()
            if headers.get(name) != value
        ]
        if wrong:
            raise Failed(f"{'; '.join(wrong)} in {headers}")
        self.done["verify"] = "yes"

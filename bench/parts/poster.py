"""The egress client alone: signed posts of one body to one receiver, 16 at a time.

Usage: poster.py PORT SECONDS, or poster.py PORT raw: writes the bytes of such a request and ends.
Prints JSON: requests, seconds, cpu (seconds, this process's only).
"""

import asyncio
import ipaddress
import json
import sys
import time

import uvloop

from winnerr_webhooks.budgets import derive
from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.delivery import LeasedDelivery
from winnerr_webhooks.domain.event import encode_payload
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.egress.address_policy import AddressPolicy
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.resolver import DnsResolver
from winnerr_webhooks.pipeline.request_template import RequestTemplate
from winnerr_webhooks.quotas import Budget

DESCRIPTORS = 1024
AT_ONCE = 16
"""As many as WEBHOOK_CONCURRENCY lets the server have."""
DATA = (
    b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com","company":{"id":'
    b'"company_abc","name":"Example Ltd"},"tags":["lead","newsletter"],"score":87.5}'
)


class Poster:
    def __init__(self, port):
        self.clock = clock = SystemClock()
        loopback = ipaddress.ip_network("127.0.0.0/8")
        policy = AddressPolicy(allow=(loopback,), deny=(), nat64=(), allow_http=True)
        self.resolver = DnsResolver(clock=clock)
        self.egress = EgressClient(
            policy=policy,
            resolver=self.resolver,
            clock=clock,
            timeout=10.0,
            kept=Budget(derive(Config(), DESCRIPTORS).kept_connections, clock),
        )
        target = Target(
            webhook_id="wh_01kanbench00000000000000000",
            organization="org_000000",
            version=1,
            url=f"http://127.0.0.1:{port}/hook",
            status="active",
            secret="whsec_" + "a" * 43 + "=",
        )
        self.sender = RequestTemplate(target, Config().branding)
        self.delivery = LeasedDelivery(
            id="dlv_01kanbench000000000000000000001",
            event_id="evt_01kanbench0000000000000000",
            event="contact.created",
            organization=target.organization,
            webhook_id=target.webhook_id,
            webhook_version=1,
            body=encode_payload(
                "contact.created", "2025-01-15T14:23:00Z", target.organization, DATA
            ),
        )

    def head(self):
        return self.sender.head(self.delivery, self.clock.now_ms())

    async def post_until(self, end):
        """Post until then; how often."""
        count = 0
        while time.perf_counter() < end:
            exchange = await self.egress.post(
                self.sender.destination, "org_000000", self.head(), self.delivery.body
            )
            if exchange.status != 200:
                raise SystemExit(f"not answered with 200: {exchange}")
            count += 1
        return count

    async def run(self, seconds):
        workers = range(AT_ONCE)
        # The connections first, so that opening them is not what is measured.
        await asyncio.gather(*[self.post_until(time.perf_counter() + 0.05) for _ in workers])
        cpu, started = time.process_time(), time.perf_counter()
        end = started + seconds
        counts = await asyncio.gather(*[self.post_until(end) for _ in workers])
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        await self.egress.close()
        await self.resolver.close()
        return {"requests": sum(counts), "seconds": wall, "cpu": cpu}


async def main():
    poster = Poster(int(sys.argv[1]))
    if sys.argv[2] == "raw":
        sys.stdout.buffer.write(poster.head() + poster.delivery.body)
        return
    print(json.dumps(await poster.run(float(sys.argv[2]))))


if __name__ == "__main__":
    uvloop.run(main())

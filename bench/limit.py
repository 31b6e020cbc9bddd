"""The egress client alone: signed posts of one body to one receiver, 16 at a time.

Usage: limit.py PORT REQUESTS. Prints JSON: seconds and CPU seconds, this process's only.
"""

import asyncio
import ipaddress
import json
import resource
import sys
import time

import uvloop

from winnerr_webhooks.clock import SystemClock
from winnerr_webhooks.domain.event import LeasedDelivery, freeze
from winnerr_webhooks.domain.webhook import Target
from winnerr_webhooks.egress.client import EgressClient
from winnerr_webhooks.egress.policy import AddressPolicy
from winnerr_webhooks.egress.resolver import Resolver
from winnerr_webhooks.pipeline.attempt import Sender

DATA = (
    b'{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com","company":{"id":'
    b'"company_abc","name":"Example Ltd"},"tags":["lead","newsletter"],"score":87.5}'
)


async def main():
    port, requests = int(sys.argv[1]), int(sys.argv[2])
    clock = SystemClock()
    loopback = ipaddress.ip_network("127.0.0.0/8")
    policy = AddressPolicy(allow=(loopback,), deny=(), nat64=(), allow_http=True)
    resolver = Resolver(clock=clock)
    egress = EgressClient(policy=policy, resolver=resolver, clock=clock, timeout=10.0)
    target = Target(
        webhook_id="wh_01kanbench00000000000000000",
        organization="org_bench",
        version=1,
        url=f"http://127.0.0.1:{port}/hook",
        status="active",
        secret="whsec_" + "a" * 43 + "=",
    )
    sender = Sender(target, "Winnerr")
    body = freeze("contact.created", "2025-01-15T14:23:00Z", "org_bench", DATA)
    delivery = LeasedDelivery(
        id="dlv_01kanbench000000000000000000001",
        event_id="evt_01kanbench0000000000000000",
        event="contact.created",
        organization="org_bench",
        webhook_id=target.webhook_id,
        webhook_version=1,
        body=body,
    )
    left = requests

    async def worker():
        nonlocal left
        while left > 0:
            left -= 1
            head = sender.head(delivery, clock.now_ms(), b"")
            exchange = await egress.post(sender.destination, "org_bench", head, body)
            assert exchange.status == 200, exchange

    await worker_warm(egress, sender, delivery, clock)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(16)])
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    await egress.close()
    await resolver.close()
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


async def worker_warm(egress, sender, delivery, clock):
    """Open the connections first, so that connecting is not what is measured."""
    heads = [sender.head(delivery, clock.now_ms(), b"") for _ in range(16)]
    await asyncio.gather(
        *[egress.post(sender.destination, "org_bench", head, delivery.body) for head in heads]
    )


uvloop.run(main())

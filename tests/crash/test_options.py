"""Everything a webhook can ask for, on three nodes of which one is killed every few seconds.

The receivers are real: one that demands a login, one that counts, one that looks at the order, one
that verifies signatures, an OAuth 2.0 server that rotates and revokes its tokens, and an nginx that
demands client certificates.
"""

import asyncio
import base64
import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.certificates import Authority
from tests.crash.cluster import HURRIED, Cluster, Node, cluster_on
from tests.postgres import free_port
from tests.receiver import Answer, Receiver, Request
from tests.token_server import TokenServer

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

WEBHOOKS = 20
"""Of each option."""
SECONDS = 120.0
PER_SECOND = 2.0
"""Events for each option."""
PACE = 1.5
"""Attempts a second that a paced webhook asks for."""
KEYS = 5
"""Values that each have an order of their own."""
REVOKED_EVERY = 7.0
"""Seconds."""
SCHEDULE = [0.5] + [1] * 11

Verify = Callable[[Request], bool]


@dataclass
class Arrivals:
    """What one webhook got."""

    times: list[float] = field(default_factory=list)
    """Of every request, also of those that were refused."""
    accepted: list[int] = field(default_factory=list)
    """The numbers of the events that were answered with 200, in the order of arrival."""
    failed_once: set[int] = field(default_factory=set)
    strangers: int = 0
    """Requests without what the webhook asks for."""


class Option:
    """Twenty webhooks of an organization of their own that ask for the same."""

    def __init__(
        self, name: str, fields: dict[str, Any], *, verify: Verify = lambda _request: True,
        failure: Answer | None = None, wanted: Callable[[int], bool] = lambda _n: True,
        order: Callable[[int], Any] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.fields = fields
        self.verify = verify
        self.failure = failure or Answer(503)
        """The first answer to every eleventh event."""
        self.wanted = wanted
        self.order = order
        """By what the events are in order."""
        self.accepted: list[int] = []
        """Numbers of events that a node answered with 202, in this order."""
        self.arrivals: dict[str, Arrivals] = defaultdict(Arrivals)

    def answer(self, request: Request) -> Answer:
        got = self.arrivals[request.path.rpartition("/")[2]]
        number = request.json["data"]["n"]
        got.times.append(request.at)
        if not self.verify(request):
            got.strangers += 1
            return Answer(401)
        if number % 11 == 3 and number not in got.failed_once:
            got.failed_once.add(number)
            return self.failure
        got.accepted.append(number)
        return Answer(200)

    @property
    def expected(self) -> list[int]:
        return [number for number in self.accepted if self.wanted(number)]

    def lost(self) -> int:
        missing = (set(self.expected) - set(one.accepted) for one in self.arrivals.values())
        unseen = (WEBHOOKS - len(self.arrivals)) * len(self.expected)
        return sum(map(len, missing)) + unseen

    def unwanted(self) -> int:
        expected = set(self.expected)
        return sum(len(set(one.accepted) - expected) for one in self.arrivals.values())

    def repeated(self) -> int:
        return sum(len(one.accepted) - len(set(one.accepted)) for one in self.arrivals.values())

    def strangers(self) -> int:
        return sum(one.strangers for one in self.arrivals.values())

    def out_of_order(self) -> int:
        """Successes that came neither right after the one before them in their order, nor again.

        What a killed node had sent and not recorded comes again, and then all that follows it.
        """
        if self.order is None:
            return 0
        places: dict[int, tuple[Any, int]] = {}
        members: dict[Any, int] = defaultdict(int)
        for number in self.accepted:
            key = self.order(number)
            places[number] = key, members[key]
            members[key] += 1
        found = 0
        for one in self.arrivals.values():
            last: dict[Any, int] = defaultdict(lambda: -1)
            for number in one.accepted:
                key, place = places[number]
                found += place > last[key] + 1
                last[key] = place
        return found


def login(expected: str) -> Verify:
    return lambda request: request.headers.get("authorization") == expected


def options(tokens: TokenServer, authority: Authority) -> dict[str, Option]:
    basic = base64.b64encode(b"crm:s3cret").decode()
    own = {"X-Tenant": "t-1", "X-Api-Version": "2"}
    made = [
        Option("plain", {}),
        Option(
            "filter", {"filter": {"data": {"kind": {"$gte": 1}, "id": {"$startsWith": "k"}}}},
            wanted=lambda n: n % 3 >= 1,
        ),
        Option(
            "headers", {"headers": own},
            verify=lambda request: all(request.headers.get(k.lower()) == own[k] for k in own),
        ),
        Option(
            "basic", {"auth": {"type": "basic", "username": "crm", "password": "s3cret"}},
            verify=login(f"Basic {basic}"),
        ),
        Option("bearer", {"auth": {"type": "bearer", "token": "t0k"}}, verify=login("Bearer t0k")),
        Option(
            "oauth2", {"auth": tokens.auth()},
            verify=lambda request: request["authorization"].removeprefix("Bearer ") in tokens.valid,
        ),
        Option(
            "mtls", {"auth": authority.issue("webhooks").auth},
            verify=lambda request: request.headers.get("x-client") == "CN=webhooks",
        ),
        Option("ed25519", {"signing": "ed25519"}),
        Option("pace", {"rateLimit": {"perSecond": PACE}}),
        Option("ordered", {"ordered": True}, order=lambda _n: None),
        Option("ordered by key", {"ordered": "data.id"}, order=lambda n: n % KEYS),
        Option("timeout", {"timeout": 1, "retrySchedule": SCHEDULE}, failure=Answer(hang=True)),
    ]  # fmt: skip
    return {option.name: option for option in made}


def verifies(keys: dict[str, Ed25519PublicKey]) -> Verify:
    """Whether a request has the signature of the webhook that its path names."""

    def verify(request: Request) -> bool:
        key = keys.get(request.path.rpartition("/")[2])
        content = f"{request['webhook-id']}.{request['webhook-timestamp']}.".encode() + request.body
        try:
            if key is not None:
                signature = request["webhook-signature"].removeprefix("v1a,")
                key.verify(base64.b64decode(signature), content)
        except InvalidSignature:
            return False
        return key is not None

    return verify


class Nginx:
    """A proxy in front of a receiver that demands a certificate of the authority."""

    def __init__(self, folder: Path, authority: Authority, upstream: int) -> None:
        self.port = free_port()
        server = authority.issue("server", usage="serverAuth", host="IP:127.0.0.1")
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        self._file = folder / "nginx.conf"
        self._file.write_text(
            f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;\n"
            "events { worker_connections 4096; }\nhttp { access_log off;\n"
            + "".join(f"{name}_temp_path {folder}/{name};\n" for name in names)
            + f"server {{ listen 127.0.0.1:{self.port} ssl;\n"
            f"ssl_certificate {server.certificate_file}; ssl_certificate_key {server.key_file};\n"
            f"ssl_client_certificate {authority.file}; ssl_verify_client on;\n"
            f"location / {{ proxy_pass http://127.0.0.1:{upstream};\n"
            "proxy_set_header X-Client $ssl_client_s_dn; } } }\n"
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(NGINX, "-c", self._file)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()


@pytest.fixture
async def tokens():
    server = TokenServer()
    server.fields = {"token_type": "Bearer", "expires_in": 20}
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def receiving(receivers, tokens, tmp_path, monkeypatch):
    """The options, each with a receiver of its own, and the URLs of these."""
    authority = Authority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    made = options(tokens, authority)
    urls: dict[str, str] = {}
    for option in made.values():
        receiver: Receiver = await receivers()
        receiver.answer = option.answer
        urls[option.name] = receiver.url
    port = int(urls["mtls"].rpartition(":")[2].partition("/")[0])
    nginx = Nginx(tmp_path, authority, port)
    await nginx.start()
    urls["mtls"] = f"https://127.0.0.1:{nginx.port}/hook"
    yield made, urls
    await nginx.stop()


async def create_webhooks(node: Node, option: Option, url: str) -> None:
    view = node.of(f"org_{option.name.replace(' ', '_')}")
    keys: dict[str, Ed25519PublicKey] = {}
    for number in range(WEBHOOKS):
        hook = await view.webhook(f"{url}/{number}", **option.fields)
        if option.name == "ed25519":
            public = (await view.ok("GET", f"~/webhooks/{hook['id']}/secret"))["publicKey"]
            raw = base64.b64decode(public.removeprefix("whpk_"))
            keys[str(number)] = Ed25519PublicKey.from_public_bytes(raw)
    if keys:
        option.verify = verifies(keys)


async def send(nodes: list[Node], option: Option, seconds: float, rng: random.Random) -> None:
    """Send events one after the other, each until a node answers 202."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    number = 0
    while loop.time() < started + seconds:
        body = {
            "event": "contact.created", "organizationId": f"org_{option.name.replace(' ', '_')}",
            "id": f"{option.name}-{number}",
            "data": {"id": f"k{number % KEYS}", "kind": number % 3, "n": number},
        }  # fmt: skip
        while True:
            node = rng.choice([node for node in nodes if node.serves] or nodes)
            try:
                status, answer = await node.call("POST", "/api/v1/events", body)
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.05)
                continue
            assert status in (202, 503), answer
            if status == 202:
                break
        option.accepted.append(number)
        number += 1
        await asyncio.sleep(max(0.0, started + number / PER_SECOND - loop.time()))


async def revoke(tokens: TokenServer) -> None:
    while True:
        await asyncio.sleep(REVOKED_EVERY)
        tokens.revoke_all()


def share_of_pace(option: Option, seconds: float) -> list[float]:
    """Attempts of each webhook in the given time, as a share of what it asked for."""
    counts = []
    for one in option.arrivals.values():
        within = sum(at < one.times[0] + seconds for at in one.times)
        counts.append(within / (PACE * seconds))
    return counts


async def kept(cluster: Cluster) -> dict[str, int]:
    rows = await cluster.store.rows("SELECT status, count(*) FROM delivery GROUP BY status")
    return dict(rows)


@pytest.mark.chaos
@pytest.mark.skipif(not Path(NGINX).exists(), reason="it needs nginx")
@pytest.mark.timeout(900)
async def test_each_option_holds_on_three_nodes_though_one_is_killed_every_five_seconds(
    make_postgres, receiving, tokens, tmp_path
) -> None:
    made, urls = receiving
    database = make_postgres(durable=True)
    url = database.url(await database.create_database())
    rng = random.Random(17)
    schedule = ",".join(map(str, SCHEDULE))
    async with cluster_on(url, tmp_path, DELIVERY_TIMEOUT="4", RETRY_SCHEDULE=schedule) as cluster:
        await cluster.start(["all"] * 3, program=HURRIED, organizations=0)
        for option in made.values():
            await create_webhooks(cluster.nodes[0], option, urls[option.name])
        revoking = asyncio.create_task(revoke(tokens))
        sending = [
            asyncio.create_task(send(cluster.nodes, option, SECONDS, rng))
            for option in made.values()
        ]
        victims = await cluster.kill_some(round(SECONDS / 5) - 1, 5.0, rng)
        await asyncio.gather(*sending)
        await cluster.settled(180)
        revoking.cancel()
        states = await kept(cluster)
    for option in made.values():
        print(
            f"{option.name}: {len(option.accepted)} events, {len(option.expected)} for each of "
            f"{WEBHOOKS}, lost {option.lost()}, repeated {option.repeated()}, unwanted "
            f"{option.unwanted()}, out of order {option.out_of_order()}, without what it asks for "
            f"{option.strangers()}"
        )
    pace = share_of_pace(made["pace"], SECONDS)
    print(
        f"{victims.total()} kills, {tokens.issued} tokens, pace {min(pace):.2f} to {max(pace):.2f}"
        f" of {PACE}/s, {states}"
    )
    assert set(states) == {"delivered"}
    for option in made.values():
        assert (option.name, option.lost()) == (option.name, 0)
        assert (option.name, option.unwanted()) == (option.name, 0)
        assert (option.name, option.out_of_order()) == (option.name, 0)
        if option.name != "oauth2":  # a token may be revoked while its request is on the way
            assert (option.name, option.strangers()) == (option.name, 0)
    assert 0.9 <= min(pace) <= max(pace) <= 1.1

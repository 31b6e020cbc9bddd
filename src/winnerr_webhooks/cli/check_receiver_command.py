"""`check-receiver`: sends a receiver good and bad requests, and prints what its answers mean.

It runs on this machine, over the same outgoing client and address policy as deliveries, so that a
developer can check a receiver that no server reaches. That is also why loopback is allowed here,
which a server refuses.
"""

import asyncio
import textwrap
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from winnerr_webhooks.cli.json_output import json_document
from winnerr_webhooks.cli.secret_options import SecretFile, SecretOption, read_secret
from winnerr_webhooks.cli.setting_options import BRANDING, takes_settings
from winnerr_webhooks.config import Config

if TYPE_CHECKING:
    from winnerr_webhooks.domain.receiver_check.receiver_report import ReceiverReport

_WIDTH: Final = 100
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_ORGANIZATION: Final = "org_receiver_check"
_MARKS: Final = {"ok": "ok  ", "warning": "RISK", "problem": "FAIL", "skipped": "-   "}


@takes_settings(
    "DELIVERY_TIMEOUT",
    "SUCCESS_STATUSES",
    "ALLOW_NETWORKS",
    "DENY_NETWORKS",
    "EVENT_CATALOG",
    *BRANDING,
)
def check_receiver(
    config: Config,
    url: Annotated[str, typer.Argument(metavar="URL", help="Such as http://localhost:3000/hook.")],
    *,
    secret_file: SecretFile = None,
    secret: SecretOption = None,
    event: Annotated[
        str, typer.Option(help="The event type whose example is sent; default: the first one.")
    ] = "*",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document in place of text.")
    ] = False,
) -> None:
    """Send a receiver good and bad requests, and say what its answers mean and how to mend them.

    It needs no server, and may reach this machine (loopback) besides public addresses. Exit code 0:
    no problem; 1: a problem. Risks alone are no problem.
    """
    report = asyncio.run(
        _check(config, url, read_secret(config, secret, secret_file).strip(), event)
    )
    if as_json:
        typer.echo(json_document({"passed": report.passed, **msgspec.structs.asdict(report)}))
    else:
        _print(report)
    raise typer.Exit(0 if report.passed else 1)


async def _check(config: Config, url: str, secret: str, event: str) -> "ReceiverReport":
    from winnerr_webhooks.budgets import Budgets, derive, descriptors_allowed  # noqa: PLC0415  --help loads none
    from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415
    from winnerr_webhooks.domain.ed25519_keys import signing_kind  # noqa: PLC0415
    from winnerr_webhooks.domain.url import parse_url  # noqa: PLC0415
    from winnerr_webhooks.domain.webhook import ACTIVE, Target  # noqa: PLC0415
    from winnerr_webhooks.egress.address_policy import AddressPolicy  # noqa: PLC0415
    from winnerr_webhooks.egress.client import EgressClient  # noqa: PLC0415
    from winnerr_webhooks.egress.resolver import DnsResolver  # noqa: PLC0415
    from winnerr_webhooks.event_catalog.catalog_loader import load_catalog  # noqa: PLC0415
    from winnerr_webhooks.ids import Ids  # noqa: PLC0415
    from winnerr_webhooks.management.receiver_checks import ReceiverChecks  # noqa: PLC0415
    from winnerr_webhooks.management.signing_checks import secret_check  # noqa: PLC0415
    from winnerr_webhooks.pipeline.access_tokens import AccessTokens  # noqa: PLC0415

    parse_url(url, allow_http=True)
    secret_check(signing_kind(secret))(secret)
    catalog = load_catalog(config)
    clock = SystemClock()
    ids = Ids(clock)
    budgets = Budgets(derive(config, descriptors_allowed()), clock)
    resolver = DnsResolver(clock=clock)
    egress = EgressClient(
        policy=AddressPolicy(
            allow=(*_LOOPBACK, *config.allow_networks),
            deny=config.deny_networks,
            nat64=config.nat64_prefixes,
            allow_http=True,
        ),
        resolver=resolver,
        clock=clock,
        timeout=config.delivery_timeout,
        kept=budgets.kept_connections,
    )
    tokens = AccessTokens(
        egress, timeout=config.delivery_timeout, branding=config.branding, clock=clock
    )
    checks = ReceiverChecks(
        config=config,
        egress=egress,
        tokens=tokens,
        catalog=catalog,
        clock=clock,
        ids=ids,
        budgets=budgets,
    )
    target = Target(
        webhook_id=ids.new("wh"),
        organization=_ORGANIZATION,
        version=1,
        url=url,
        status=ACTIVE,
        secret=secret,
    )
    try:
        return await checks.check(target, event)
    finally:
        await egress.close()
        await resolver.close()


def _print(report: "ReceiverReport") -> None:
    for line in report.lines:
        answer = f" ({line.answer})" if line.answer else ""
        typer.echo(f"{_MARKS[line.result]} {line.title}{answer}")
        remedy = f"What to do: {line.remedy}" if line.remedy else ""
        for text in (line.meaning, remedy):
            if text and line.result != "ok":
                typer.echo(
                    textwrap.fill(text, _WIDTH, initial_indent="     ", subsequent_indent="     ")
                )
    problems = sum(line.result == "problem" for line in report.lines)
    risks = sum(line.result == "warning" for line in report.lines)
    typer.echo(f"{problems} problem{'s' * (problems != 1)}, {risks} risk{'s' * (risks != 1)}")

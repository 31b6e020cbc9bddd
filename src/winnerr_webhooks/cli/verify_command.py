"""`verify`: finds out why the signature of a request does not match."""

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from winnerr_webhooks.cli.json_output import json_document
from winnerr_webhooks.cli.secret_options import SecretFile, SecretOption, read_bytes, read_secret
from winnerr_webhooks.cli.setting_options import BRANDING, takes_settings
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.branding import Branding
from winnerr_webhooks.domain.errors import Invalid

if TYPE_CHECKING:
    from winnerr_webhooks.domain.signature_check.signature_checker import SignatureCheck
    from winnerr_webhooks.domain.signature_check.signature_claims import RequestHeaders

_WIDTH = 100


@takes_settings(*BRANDING)
def verify(
    config: Config,
    *,
    body: Annotated[str, typer.Option(help="A file with the raw body; - reads stdin.")],
    headers: Annotated[
        str | None,
        typer.Option(help="A file with the request's headers, as lines or as a JSON object."),
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(help="A signature alone, in place of --headers: also one your code computed."),
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--id", help="The value of webhook-id, with --signature.")
    ] = None,
    timestamp: Annotated[
        str | None, typer.Option(help="The value of webhook-timestamp, with --signature.")
    ] = None,
    secret_file: SecretFile = None,
    secret: SecretOption = None,
    previous_secret_file: Annotated[
        str | None, typer.Option(help="A file with the secret before a rotation.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When the request was received, RFC 3339; default: now.")
    ] = None,
    tolerance: Annotated[
        int, typer.Option(min=0, help="The age in seconds that the receiver accepts.")
    ] = 300,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document in place of text.")
    ] = False,
) -> None:
    """Check the signature of a request, and name the mistake if it does not match.

    It tries what receivers do wrong: JSON that was written again, another secret, and more. It
    needs no server. Exit code 0: the signature is valid; 1: it is not.
    """
    from winnerr_webhooks.domain.signature_check.signature_checker import check_signature  # noqa: PLC0415  --help loads none
    from winnerr_webhooks.domain.signing import KEY_PREFIXES  # noqa: PLC0415

    if [body, headers, secret_file, previous_secret_file].count("-") > 1:
        raise Invalid("Only one of the files can be stdin (-).")
    previous = None
    if previous_secret_file is not None:
        previous = read_bytes(previous_secret_file).decode(errors="surrogateescape").strip()
    secret_text = read_secret(config, secret, secret_file)
    if secret_text.startswith(KEY_PREFIXES):
        raise Invalid(
            "This is a key of Ed25519, and this command checks HMAC signatures only. Verify "
            "`webhook-signature` with the public key (whpk_…) and the SDK: see "
            "docs/how-to/verify-ed25519-signatures.md."
        )
    found = check_signature(
        body=read_bytes(body),
        headers=_headers(headers, signature, config.branding, event_id, timestamp),
        secret=secret_text,
        previous=previous,
        now=_seconds(at),
        tolerance=tolerance,
    )
    if as_json:
        typer.echo(json_document(found))
    else:
        _print(found)
    raise typer.Exit(0 if found.valid else 1)


def _headers(
    path: str | None,
    signature: str | None,
    branding: Branding,
    event_id: str | None,
    timestamp: str | None,
) -> "RequestHeaders":
    from winnerr_webhooks.domain.signature_check.signature_claims import (  # noqa: PLC0415  --help loads none
        parse_headers,
        read_headers,
        read_signature,
    )

    if (path is None) == (signature is None):
        raise Invalid("Give the request's headers with --headers FILE, or --signature VALUE alone.")
    if path is not None:
        pairs, signature = parse_headers(read_bytes(path).decode("utf-8", "replace"))
        if signature is None:
            return read_headers(pairs, branding)
    return read_signature(signature or "", branding, event_id, timestamp)


def _seconds(at: str | None) -> int:
    if at is None:
        from winnerr_webhooks.clock import SystemClock  # noqa: PLC0415  --help loads none

        return SystemClock().now_ms() // 1000
    from winnerr_webhooks.domain.timestamp import normalise  # noqa: PLC0415  --help loads none

    moment = normalise(at)
    if moment is None:
        raise Invalid(f"--at {at!r}: expected a time such as 2025-01-15T14:23:00Z.")
    return int(datetime.fromisoformat(moment).timestamp())


def _print(found: "SignatureCheck") -> None:
    if found.valid:
        typer.echo("The signature is valid.")
    for number, mistake in enumerate(found.mistakes, start=1):
        typer.echo(f"{number}. {mistake.name}")
        for text in (mistake.explanation, f"What to do: {mistake.remedy}"):
            typer.echo(textwrap.fill(text, _WIDTH, initial_indent="   ", subsequent_indent="   "))
    for note in found.notes:
        typer.echo(textwrap.fill(note, _WIDTH))
    if not found.complete:
        typer.echo("The body is large, so not everything was tried.")

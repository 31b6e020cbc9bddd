"""`config`: shows the settings that `serve` would use, and the limits derived from them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from winnerr_webhooks.cli.setting_options import takes_settings
from winnerr_webhooks.config import Config, check_service, environment
from winnerr_webhooks.domain.branding import SignatureFormat
from winnerr_webhooks.domain.mail_server import Mailbox, MailServer
from winnerr_webhooks.domain.proxy import Proxy
from winnerr_webhooks.settings_table import SETTINGS, Setting

if TYPE_CHECKING:
    from winnerr_webhooks.quotas import Bound

HIDDEN = "•••"
_DERIVED = ("PUBLIC_URL", "HEADER_PREFIX", "SIGNATURE_HEADER")
"""Settings that follow from others unless they are set."""


@takes_settings()
def show_config(
    config: Config,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of two tables.")
    ] = False,
) -> None:
    """Show the effective settings, with secrets masked, and all limits of a node.

    It takes the same options as `serve` and checks them, the catalogue file included. It opens
    neither the database nor a port.
    """
    from winnerr_webhooks.budgets import derive, descriptors_allowed  # noqa: PLC0415  --help must not load it
    from winnerr_webhooks.event_catalog.catalog_loader import load_catalog  # noqa: PLC0415  likewise

    bounds = derive(config, descriptors_allowed())
    if as_json:
        document = {
            "settings": {
                setting.name: {"value": _value(config, setting), "from": _source(config, setting)}
                for setting in SETTINGS
            },
            "bounds": {bound.name: _without_name(bound._asdict()) for bound in bounds},
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_settings(config)
        _print_bounds(bounds)
    check_service(config)
    load_catalog(config)


def _value(config: Config, setting: Setting) -> Any:
    """Return a setting's value for JSON, with secrets masked."""
    value = getattr(config, setting.field)
    if setting.name in _MASKED:
        return _MASKED[setting.name](config)
    if value is None:
        return ""
    if isinstance(value, SignatureFormat | Proxy | MailServer | Mailbox):
        return str(value)
    if isinstance(value, tuple):
        return [item if isinstance(item, float) else str(item) for item in value]
    return value


def _without_path(url: str) -> str:
    """Return a URL with its path and query masked, which can hold a password."""
    scheme, slashes, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}{slashes}{host}" + (f"/{HIDDEN}" if rest.strip("/") != host else "")


_MASKED: Final[Mapping[str, Callable[[Config], Any]]] = {
    "DATABASE_URL": lambda config: config.database_name,
    "ENCRYPTION_KEYS": lambda config: [f"{key.id}:{HIDDEN}" for key in config.encryption_keys],
    "OPERATIONAL_URL": lambda config: _without_path(config.operational_url),
    "OPERATIONAL_SECRET": lambda config: HIDDEN if config.operational_secret else "",
}
"""How settings are shown that hold a secret."""


def _source(config: Config, setting: Setting) -> str:
    """Return where a value comes from; an option that repeats the default counts as default."""
    if setting.variable in environment():
        return "environment"
    return "default" if setting.name in _DERIVED or _is_default(config, setting) else "option"


def _is_default(config: Config, setting: Setting) -> bool:
    return bool(getattr(config, setting.field) == getattr(Config(), setting.field))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value)) or "(empty)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or "(empty)"


def _print_settings(config: Config) -> None:
    rows = [(s.name, _text(_value(config, s)), _source(config, s)) for s in SETTINGS]
    wide = max(len(name) for name, _, _ in rows)
    typer.echo("Settings")
    for name, value, source in rows:
        typer.echo(f"  {name:{wide}}  {value}  ({source})")


def _print_bounds(bounds: Iterable["Bound"]) -> None:
    typer.echo("\nBounds of one process")
    for bound in bounds:
        quota = f", {_amount(bound, bound.quota)} for one organization" if bound.quota else ""
        typer.echo(f"  {bound.name}: {_amount(bound, bound.limit)}{quota}")
        typer.echo(f"    From: {bound.source}. Spent by: {bound.spender}.")
        typer.echo(f"    When it is spent: {bound.when_spent}")


def _amount(bound: "Bound", units: int) -> str:
    if bound.unit == "bytes":
        return f"{units / (1024 * 1024):g} MiB"
    return f"{units:,} {bound.unit}"


def _without_name(fields: dict[str, Any]) -> dict[str, Any]:
    del fields["name"]
    return fields

"""Options that commands share: the settings, and where and as whom they call the API."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from winnerr_webhooks.cli.configuration import configure
from winnerr_webhooks.config import Config
from winnerr_webhooks.settings_table import SETTINGS, Setting

BRANDING: Final = ("BRAND", "HEADER_PREFIX", "SIGNATURE_HEADER", "SIGNATURE_FORMAT")
"""The settings that a command needs to know the product's signature."""

Command = Callable[..., None]

ServerUrl = Annotated[
    str | None, typer.Option(help="URL of the API; default: WINNERR_WEBHOOKS_PUBLIC_URL.")
]
ClientKey = Annotated[
    str | None, typer.Option(help="The API key; default: WINNERR_WEBHOOKS_API_KEY.")
]


def takes_settings(*names: str) -> Callable[[Command], Command]:
    """Add an option for each named setting (all, if none is named) to a command.

    The command gets a `Config` as its first argument. Options take precedence over the environment.
    """
    chosen = [setting for setting in SETTINGS if not names or setting.name in names]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**options: Any) -> None:
            given = {setting.field: options.pop(setting.field) for setting in chosen}
            overrides = {field: _text(value) for field, value in given.items() if value is not None}
            command(configure(overrides), **options)

        own = list(inspect.signature(command).parameters.values())[1:]
        parameters = [*own, *map(_parameter, chosen)]
        vars(run)["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _parameter(setting: Setting) -> inspect.Parameter:
    flag = isinstance(getattr(Config(), setting.field), bool)
    declared = f"{setting.option}/--no-{setting.option[2:]}" if flag else setting.option
    option = typer.Option(declared, help=setting.meaning, show_default=False)
    annotation: Any = Annotated[bool | None, option] if flag else Annotated[str | None, option]
    return inspect.Parameter(
        setting.field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _text(value: str | bool) -> str:  # noqa: FBT001  flags are options, too
    return value if isinstance(value, str) else str(value).lower()

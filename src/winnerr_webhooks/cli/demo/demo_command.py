"""The `demo` command."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def demo(
    *,
    folder: Annotated[
        Path, typer.Option(help="The demo's data folder; the next run uses it again.")
    ] = Path("winnerr-webhooks-demo"),
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Events per second.")] = 2.0,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after this time; default: on Ctrl-C.")
    ] = None,
) -> None:
    """Run a complete example on this machine.

    It runs a server, a receiver that verifies every signature and sometimes fails on purpose, and
    sample events of all categories. Nothing else is needed. Ctrl-C ends it; the next run continues
    in the same folder.
    """
    from winnerr_webhooks.cli.demo.run import Demo  # noqa: PLC0415  --help must not load it

    succeeded = asyncio.run(Demo(folder, rate, seconds).run())
    if not succeeded:
        raise typer.Exit(1)

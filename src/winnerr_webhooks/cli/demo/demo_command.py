"""The `demo` command."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def demo(
    *,
    folder: Annotated[
        Path, typer.Option(help="Its own data folder; used again the next time.")
    ] = Path("winnerr-webhooks-demo"),
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Events a second.")] = 2.0,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after so long; left out: on Ctrl-C.")
    ] = None,
) -> None:
    """Run a complete example on this machine.

    A server, a receiver that verifies every signature and now and then fails on purpose, and
    sample events of all categories. Nothing else is needed. Ctrl-C ends it; the next run goes
    on in the same folder.
    """
    from winnerr_webhooks.cli.demo.run import Demo  # noqa: PLC0415  --help must not load it

    well = asyncio.run(Demo(folder, rate, seconds).run())
    if not well:
        raise typer.Exit(1)

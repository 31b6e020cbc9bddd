"""`catalog`: checks, imports and exports catalogues of event types."""

from pathlib import Path
from typing import Annotated

import typer

from winnerr_webhooks.cli.configuration import PROGRAM
from winnerr_webhooks.cli.json_output import json_document
from winnerr_webhooks.cli.setting_options import BRANDING, takes_settings
from winnerr_webhooks.config import Config
from winnerr_webhooks.domain.errors import Invalid

app = typer.Typer(help="Check, import and export catalogues of event types.", no_args_is_help=True)


@app.command(epilog=f"Example: {PROGRAM} catalog check events.yaml")
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A catalogue, YAML or JSON.")],
) -> None:
    """Check a catalogue file, and print every mistake with its line and what to do.

    With a mistake, the exit code is 1.
    """
    from winnerr_webhooks.event_catalog.catalog_file import (  # noqa: PLC0415  only here
        CatalogFileError,
        read_catalog,
    )

    try:
        catalog = read_catalog(file)
    except CatalogFileError as error:
        for mistake in error.mistakes:
            typer.echo(f"{file}:{mistake.line}: {mistake}.", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{file}: {len(catalog.names)} event types in {len(catalog.categories)} categories.")


@app.command(
    "import", epilog=f"Example: {PROGRAM} catalog import --openapi openapi.json >events.yaml"
)
def import_(
    openapi: Annotated[
        Path, typer.Option(metavar="FILE", help="An OpenAPI 3.1 document, JSON or YAML.")
    ],
) -> None:
    """Print a catalogue file made of the `webhooks` of an OpenAPI document.

    What could not be taken as it is stands on stderr. If the catalogue has mistakes to mend, the
    exit code is 1.
    """
    from winnerr_webhooks.event_catalog.catalog_file import (  # noqa: PLC0415  only here
        CatalogFileError,
        parse_catalog,
    )
    from winnerr_webhooks.event_catalog.catalog_yaml import catalog_yaml  # noqa: PLC0415
    from winnerr_webhooks.event_catalog.openapi_import import import_openapi  # noqa: PLC0415

    try:
        content = openapi.read_bytes()
    except OSError as error:
        raise Invalid(f"{openapi} cannot be read: {error.strerror}.") from None
    categories, notes = import_openapi(content)
    text = catalog_yaml(categories)
    typer.echo(text, nl=False)
    for note in notes:
        typer.echo(note, err=True)
    try:
        parse_catalog("the catalogue", text.encode())
    except CatalogFileError as error:
        for mistake in error.mistakes:
            typer.echo(f"line {mistake.line}: {mistake}.", err=True)
        raise typer.Exit(1) from None


@app.command(epilog=f"Example: {PROGRAM} catalog export --format openapi >events.json")
@takes_settings("EVENT_CATALOG", *BRANDING)
def export(
    config: Config,
    format_: Annotated[
        str, typer.Option("--format", help="yaml, openapi (3.1) or asyncapi (3.0).")
    ] = "yaml",
) -> None:
    """Print the catalogue in use: as a catalogue file, or as a document for receivers.

    `openapi` and `asyncapi` describe the requests that receivers get, in JSON.
    """
    from winnerr_webhooks.event_catalog.catalog_loader import load_catalog  # noqa: PLC0415
    from winnerr_webhooks.event_catalog.catalog_yaml import catalog_yaml  # noqa: PLC0415
    from winnerr_webhooks.event_catalog.event_documents import (  # noqa: PLC0415
        asyncapi_document,
        openapi_document,
    )

    catalog = load_catalog(config)
    if format_ == "yaml":
        typer.echo(catalog_yaml(catalog.categories), nl=False)
        return
    makers = {"openapi": openapi_document, "asyncapi": asyncapi_document}
    if format_ not in makers:
        raise Invalid("--format is yaml, openapi or asyncapi.")
    document = makers[format_](catalog, config.branding)
    typer.echo(json_document(document))

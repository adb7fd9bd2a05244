"""``oauthtrace analyze``: the main job in one go."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oauthtrace.cli import options

if TYPE_CHECKING:
    from oauthtrace.sources import Reading


class Output(StrEnum):
    """What ``--format`` takes."""

    table = "table"
    json = "json"
    ndjson = "ndjson"
    markdown = "markdown"
    sarif = "sarif"
    junit = "junit"


Report = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE.html", help="Write the HTML report, one self-contained file.", show_default=False
    ),
]
Printed = Annotated[Output, typer.Option("--format", help="What is printed.")]
Every = Annotated[bool, typer.Option("--all", help="Show every incident, not only the worst.")]


def analyze(  # noqa: PLR0913 - each is an option
    paths: options.Paths = None,
    *,
    report: Report = None,
    output: Printed = Output.table,
    db: options.Database = None,
    since: options.Since = None,
    until: options.Until = None,
    client: options.Client = None,
    provider: options.Provider = None,
    cause: options.Cause = None,
    fail_on: options.FailOn = None,
    input_format: options.InputFormat = None,
    every: Every = False,
) -> None:
    """Tell why each failed OAuth exchange failed.

    Reads captures and logs, joins their exchanges to flows, and names the cause of every failure with its evidence.
    Without PATH it analyses what --db FILE holds.
    """
    if not paths and db is None:
        raise typer.BadParameter("nothing to analyse: give a PATH, or --db FILE.", param_hint="PATH")
    from oauthtrace import analysis  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.cli import documents, summary, terminal  # noqa: PLC0415
    from oauthtrace.sources import opening  # noqa: PLC0415

    files = list(opening.expand(paths or []))
    with terminal.progress(files) as progress:
        found = analysis.analyze(
            files,
            db=db,
            input_format=input_format,
            since=since,
            until=until,
            client=client,
            provider=provider,
            cause=cause,
            progress=progress,
        )
    read_any = complain(found.inputs, files)
    if files and not read_any and (db is None or found.exchanges.is_empty()):
        raise typer.Exit(2)
    if report is not None:
        found.write_report(report)
    if output is Output.table:
        summary.show(found, report=report, every=every)
    else:
        terminal.emit(documents.RENDER[output](found))
    if fail_on and documents.fails(found, fail_on):
        raise typer.Exit(1)


def complain(readings: "list[Reading]", files: list[str]) -> bool:
    """Say on standard error which of the files could not be read and why; whether any could."""
    from oauthtrace.cli.terminal import say  # noqa: PLC0415

    named = set(files)
    ours = [reading for reading in readings if reading.file in named]
    for reading in ours:
        if reading.format == "unknown":
            reason = (
                reading.rejects[0].reason if reading.rejects else next(iter(reading.notes), "nothing to read in it")
            )
            remedy = "; name its format with --input-format" if reason == "no known format" else ""
            say(("not read: ", "bold yellow"), f"{reading.file}: {reason}{remedy}")
    return any(reading.format != "unknown" for reading in ours)

"""``oauthtrace analyze``: the main job in one go."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oauthtrace.cli import options
from oauthtrace.cli.report import Share, Template, Title, write

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
    title: Title = None,
    share: Share = False,
    template: Template = None,
    output: Printed = Output.table,
    db: options.Database = None,
    since: options.Since = None,
    until: options.Until = None,
    client: options.Client = None,
    provider: options.Provider = None,
    cause: options.Cause = None,
    fail_on: options.FailOn = None,
    input_format: options.InputFormat = None,
    log_format: options.LogFormat = None,
    mapping: options.Mapping = None,
    assume_tz: options.AssumeTz = None,
    every: Every = False,
) -> None:
    """Tell why each failed OAuth exchange failed.

    Reads captures and logs, joins their exchanges to flows, and names the cause of every failure with its evidence.
    Without PATH it analyses what --db FILE holds.
    """
    if not paths and db is None:
        raise typer.BadParameter("nothing to analyse: give a PATH, or --db FILE.", param_hint="PATH")
    if report is None and (title is not None or share or template is not None):
        raise typer.BadParameter("--title, --share and --template say how a report is made: give --report FILE.html.")
    from oauthtrace import analysis  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.cli import documents, summary, terminal  # noqa: PLC0415
    from oauthtrace.sources import opening  # noqa: PLC0415

    passed_over: list[str] = []
    files = list(opening.expand(paths or [], passed_over))
    say_passed_over(passed_over)
    with terminal.progress(files) as progress:
        found = analysis.analyze(
            files,
            db=db,
            input_format=input_format,
            log_format=log_format,
            mapping=mapping,
            assume_tz=assume_tz,
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
        write(found, report, title=title, share=share, template=template)
    if output is Output.table:
        summary.show(found, report=report, every=every)
    else:
        terminal.emit(documents.RENDER[output](found))
    if fail_on and documents.fails(found, fail_on):
        raise typer.Exit(1)


def complain(readings: "list[Reading]", files: list[str]) -> bool:
    """Say on standard error which of the files could not be read and why; whether any could."""
    from oauthtrace.cli.terminal import say  # noqa: PLC0415
    from oauthtrace.sources.choosing import UNSURE  # noqa: PLC0415

    named = set(files)
    ours = [reading for reading in readings if reading.file in named]
    for reading in ours:
        if reading.format == "unknown":
            reason = (
                reading.rejects[0].reason if reading.rejects else next(iter(reading.notes), "nothing to read in it")
            )
            remedy = "; name its format with --input-format" if reason.startswith("no known format") else ""
            say(("not read: ", "bold yellow"), f"{reading.file}: {reason}{remedy}")
        for note in reading.notes:
            if note.startswith(UNSURE):
                say(("unsure: ", "bold yellow"), f"{reading.file}: {note}")
    return any(reading.format != "unknown" for reading in ours)


def say_passed_over(files: list[str]) -> None:
    """Say on standard error which files of folders and archives are no logs by their names."""
    if not files:
        return
    from oauthtrace.cli.terminal import say  # noqa: PLC0415

    endings = Counter(Path(file).suffix.lower() for file in files)
    listed = " ".join(ending for ending, _ in endings.most_common(6))
    say(
        ("passed over: ", "dim"),
        f"{len(files):,} files that are no logs by their names ({listed}); name one to have it read",
    )

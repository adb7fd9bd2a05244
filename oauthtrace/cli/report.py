"""``oauthtrace report``: the HTML report of what a database holds; and the options of a report, for ``analyze`` too."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oauthtrace.cli import options

if TYPE_CHECKING:
    from oauthtrace.analysis import Analysis

Target = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE.html", help="Where to write it.", show_default=False)
]
Title = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Title of the report; default its verdict.", show_default=False)
]
Share = Annotated[
    bool,
    typer.Option(
        "--share",
        help="In the report, replace hosts, client ids, users, addresses, programs and files by pseudonyms, consistently.",
    ),
]
Template = Annotated[
    Path | None,
    typer.Option(
        "--template",
        metavar="DIR",
        help="Folder whose templates, style.css and script.js win over those of the report.",
        show_default=False,
        exists=True,
        file_okay=False,
    ),
]


def write(analysis: "Analysis", file: Path, *, title: str | None, share: bool, template: Path | None) -> None:
    """Write the report of an analysis.

    Raises:
        typer.BadParameter: the file can't be written, or a template of the user's is wrong.
    """
    from jinja2 import TemplateError, TemplateSyntaxError  # noqa: PLC0415 - only for those who want a report

    try:
        analysis.write_report(file, title=title, share=share, template_dir=template)
    except OSError as error:
        raise typer.BadParameter(f"can't write {file}: {error.strerror}.") from error
    except TemplateError as error:
        if template is None:
            raise
        place = f"{error.name}, line {error.lineno}: " if isinstance(error, TemplateSyntaxError) else ""
        raise typer.BadParameter(f"{place}{(error.message or '').rstrip('.')}.", param_hint="--template") from error


def report(  # noqa: PLR0913 - each is an option
    *,
    db: options.NeededDatabase,
    output: Target,
    title: Title = None,
    share: Share = False,
    template: Template = None,
    since: options.Since = None,
    until: options.Until = None,
    client: options.Client = None,
    provider: options.Provider = None,
    cause: options.Cause = None,
) -> None:
    """Write the HTML report of what a database holds.

    It is one self-contained file that needs no network.
    """
    from oauthtrace.analysis import analyze  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.cli.terminal import emit  # noqa: PLC0415

    found = analyze(db=db, since=since, until=until, client=client, provider=provider, cause=cause)
    write(found, output, title=title, share=share, template=template)
    emit(str(output))

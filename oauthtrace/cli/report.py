"""``oauthtrace report``: the HTML report of what a database holds."""

from pathlib import Path
from typing import Annotated

import typer

from oauthtrace.cli import options

Target = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE.html", help="Where to write it.", show_default=False)
]


def report(
    *,
    db: options.NeededDatabase,
    output: Target,
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

    analyze(db=db, since=since, until=until, client=client, provider=provider, cause=cause).write_report(output)
    emit(str(output))

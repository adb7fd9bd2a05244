"""``oauthtrace ingest``: take in what is new."""

import typer

from oauthtrace.cli import options


def ingest(paths: options.NeededPaths, *, db: options.NeededDatabase, input_format: options.InputFormat = None) -> None:
    """Take what is new in captures and logs into a database.

    Reading a file again adds nothing; of a log that has grown only the new lines are read, also after it was rotated.
    """
    from oauthtrace.cli.analyze import complain  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.cli.summary import input_rows  # noqa: PLC0415
    from oauthtrace.cli.terminal import progress, show  # noqa: PLC0415
    from oauthtrace.sources import opening  # noqa: PLC0415
    from oauthtrace.store import Store  # noqa: PLC0415

    files = list(opening.expand(paths))
    with progress(files) as update, Store(db) as store:
        readings = store.ingest(files, input_format=input_format, progress=update)
        held = sum(reading.exchanges for reading in store.inputs())
    read_any = complain(readings, files)
    input_rows(readings, added=True)
    show((f"{sum(r.added for r in readings):,} new exchanges", "bold"), f", {held:,} in {db}")
    if not read_any:
        raise typer.Exit(2)

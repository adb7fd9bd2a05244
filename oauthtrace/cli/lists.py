"""``oauthtrace causes`` and ``oauthtrace formats``: the lists."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Listing(StrEnum):
    """What ``--format`` of a list takes."""

    table = "table"
    json = "json"


Style = Annotated[Listing, typer.Option("--format", help="How the list is printed.")]


def causes(*, style: Style = Listing.table) -> None:
    """List the causes that a failure can have."""
    from oauthtrace.causes import causes as known  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.cli.terminal import emit, rows, show  # noqa: PLC0415

    if style is Listing.json:
        entries = [
            {
                "id": c.id,
                "family": c.family,
                "title": c.title,
                "meaning": c.meaning,
                "remedy": c.remedy.summary,
                "references": list(c.references),
            }
            for c in known().values()
        ]
        emit(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    rows(("cause", "what it is"), ((c.id, c.title) for c in known().values()))
    show((f"{len(known())} causes. One in full: oauthtrace explain redirect-uri/scheme", "dim"))


def formats(*, style: Style = Listing.table) -> None:
    """List the formats that can be read.

    Each with what it can show: an access log has no bodies.
    """
    from oauthtrace.cli.terminal import emit, rows, show  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.sources import formats as known  # noqa: PLC0415

    listed = sorted(known().items())
    if style is Listing.json:
        emit(
            json.dumps(
                [{"name": name, "title": form.TITLE, "sees": list(form.SEES)} for name, form in listed],
                ensure_ascii=False,
                indent=2,
            )
        )
        return
    rows(("format", "what it is", "what it shows"), ((name, form.TITLE, " ".join(form.SEES)) for name, form in listed))
    show(
        (
            "Told by content; --input-format NAME overrides. Compressed inputs (.gz .zst .bz2 .xz) are read as they are.",
            "dim",
        )
    )

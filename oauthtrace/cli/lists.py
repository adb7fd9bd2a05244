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
    """List the formats that can be read, and the carriers that they may come in.

    Each format with what it can show: an access log has no bodies.
    """
    from oauthtrace.cli.terminal import emit, rows, show  # noqa: PLC0415 - polars only when there is work
    from oauthtrace.sources import formats as known  # noqa: PLC0415
    from oauthtrace.sources.carriers import carriers  # noqa: PLC0415

    listed, outer = sorted(known().items()), sorted(carriers().items())
    if style is Listing.json:
        entries = [
            {"name": name, "kind": "format", "title": form.TITLE, "sees": list(form.SEES)} for name, form in listed
        ]
        entries += [{"name": name, "kind": "carrier", "title": carrier.TITLE, "sees": []} for name, carrier in outer]
        emit(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    rows(("format", "what it is", "what it shows"), ((name, form.TITLE, " ".join(form.SEES)) for name, form in listed))
    show("")
    rows(("carrier", "what a format may come in"), ((name, carrier.TITLE) for name, carrier in outer))
    show("")
    for line in (
        "Told by content, up to four carriers inside each other; --input-format overrides: cri>nginx-combined.",
        "Compressed inputs (.gz .zst .bz2 .xz) and archives (.zip .tar) are read as they are.",
        "Another layout: --log-format takes the server's own format string, --mapping a file that names the keys.",
    ):
        show((line, "dim"))

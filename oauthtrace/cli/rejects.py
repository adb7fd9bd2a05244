"""``oauthtrace rejects``: the records that could not be read."""

import json

from oauthtrace.cli import options
from oauthtrace.cli.lists import Listing, Style


def rejects(*, db: options.NeededDatabase, style: Style = Listing.table) -> None:
    """Show the records that could not be read.

    File, line, reason, and what they began with, secrets replaced.
    """
    from oauthtrace.cli.terminal import emit, rows, say  # noqa: PLC0415 - duckdb only when there is work
    from oauthtrace.store import Store  # noqa: PLC0415

    with Store(db) as store:
        found = store.rejects()
    if style is Listing.json:
        emit(json.dumps(found.to_dicts(), ensure_ascii=False, indent=2))
    elif found.is_empty():
        say(f"{db}: every record could be read")
    else:
        lines = (
            (
                f"{r['file']}{'' if r['position'] is None else ':' + str(r['position'])}",
                r["format"],
                r["reason"],
                r["excerpt"][:80],
            )
            for r in found.iter_rows(named=True)
        )
        rows(("where", "format", "why", "begins with"), lines)

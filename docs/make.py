"""Writes docs/formats.md: what can be read, and what each format can tell. ``make docs``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import oauthtrace
from oauthtrace.sources import Format, formats
from oauthtrace.sources.carriers import Carrier, carriers

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "formats.md"
SAMPLES = ROOT / "sample_logs" / "formats"
FALLBACK = {"text": [ROOT / "sample_logs" / "app.log"]}
"""Samples of formats that are none of the gateways', events' or captures'."""
SHOWN = {
    "query": "query of the request",
    "headers": "headers",
    "authorization": "Authorization",
    "body": "request body",
    "answer": "answer",
    "location": "redirect’s target",
}
"""Words of ``SEES``, as people say them."""


def samples_of(name: str) -> list[Path]:
    """The samples of a format or carrier."""
    return FALLBACK.get(name) or sorted(SAMPLES.glob(f"{name}.*"))


def causes_of(files: list[Path]) -> list[str]:
    """The causes that are told from some samples, each file on its own."""
    found: set[str] = set()
    for file in files:
        found |= set(oauthtrace.analyze([file], key=bytes(range(32))).failures["cause"])
    return sorted(cause for cause in found if not cause.startswith("unknown/"))


def format_rows() -> Iterator[str]:
    """A row a format."""
    for name, form in sorted(formats().items()):
        yield _row(f"`{name}`", form.TITLE, _seen(form), ", ".join(f"`{c}`" for c in causes_of(samples_of(name))))


def carrier_rows() -> Iterator[str]:
    """A row a carrier."""
    for name, carrier in sorted(carriers().items()):
        yield _row(f"`{name}`", carrier.TITLE, _places(carrier))


def _seen(form: Format) -> str:
    return ", ".join(SHOWN[word] for word in form.SEES) or "its own account of what happened"


def _places(carrier: Carrier) -> str:
    parts = ["line of the file"] if hasattr(carrier, "peel") else []
    return " or ".join([*parts, "record, counted from 1"] if hasattr(carrier, "records") else parts)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def text() -> str:
    """The whole document."""
    template = (ROOT / "docs" / "formats.template.md").read_text("utf-8")
    note = "<!-- written by docs/make.py from docs/formats.template.md: make docs -->\n"
    return note + template.replace("{formats}", "\n".join(format_rows())).replace(
        "{carriers}", "\n".join(carrier_rows())
    )


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stderr.write(f"{FILE}\n")

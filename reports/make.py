"""The gallery: reports of the samples, rendered again by ``make gallery`` and kept fresh by a test."""

from __future__ import annotations

from pathlib import Path

from oauthtrace.analysis import analyze

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent / "sample_logs"
KEY = b"the gallery's samples hold no real secret"
PAGES = {"redirect-uri.html": "redirect-uri.har", "grant.html": "grant.har", "busy-day.html": "busy-day.har"}
"""Report -> the sample that it tells of."""


def render(sample: str) -> str:
    """The report of one sample; the same at every rendering."""
    from oauthtrace.report.page import render as render_report  # noqa: PLC0415 - jinja2 only where it is needed

    analysis = analyze([SAMPLES / sample], key=KEY)
    for reading in analysis.inputs:
        reading.file = f"sample_logs/{sample}"
    return render_report(analysis)


def main() -> None:
    """Write every page of the gallery."""
    for page, sample in PAGES.items():
        (HERE / page).write_text(render(sample), encoding="utf-8")


if __name__ == "__main__":
    main()

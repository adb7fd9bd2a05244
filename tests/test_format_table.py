"""docs/formats.md is what docs/make.py writes: every format and carrier with what its sample shows."""

from __future__ import annotations

import runpy

from conftest import ROOT

from oauthtrace.sources import formats
from oauthtrace.sources.carriers import carriers

MAKE = runpy.run_path(str(ROOT / "docs" / "make.py"))


def test_every_format_and_carrier_has_a_sample_and_a_line() -> None:
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    names = [*formats(), *carriers()]
    assert [name for name in names if not MAKE["samples_of"](name)] == [], "a sample goes to sample_logs/formats/NAME.*"
    assert [name for name in names if f"| `{name}` |" not in text] == [], "make docs"


def test_the_document_is_fresh() -> None:
    assert (ROOT / "docs" / "formats.md").read_text("utf-8") == MAKE["text"](), "make docs"

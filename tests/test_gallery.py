"""The reports in reports/ are those that the code renders today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

GALLERY = Path(__file__).parent.parent / "reports"
MAKE = runpy.run_path(str(GALLERY / "make.py"))


@pytest.mark.parametrize(("page", "sample"), MAKE["PAGES"].items())
def test_a_page_is_fresh(page: str, sample: str) -> None:
    same = (GALLERY / page).read_text("utf-8") == MAKE["render"](sample)
    assert same, f"reports/{page} is stale: run `make gallery` and commit what it writes"

"""No way back: the labelled cases, where they lie beside the project, are told no worse than before."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCORE = HERE.parent.parent / "shared" / "score.py"
FLOOR = tomllib.loads((HERE / "floor.toml").read_text("utf-8"))


@pytest.mark.skipif(not SCORE.exists(), reason="the labelled cases do not lie beside this checkout")
def test_figures_do_not_fall() -> None:
    done = subprocess.run([sys.executable, str(SCORE), "--json"], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    told, untold = figures["told by the data"], figures["not told by the data"]
    assert told["right"] >= FLOOR["right_told"], told
    assert told["family"] >= FLOOR["family_told"], told
    assert untold["right"] >= FLOOR["right_untold"], untold
    assert figures["healthy"]["right"] >= FLOOR["healthy"], figures["healthy"]
    assert figures["calibration"] <= FLOOR["calibration"], figures["calibration"]
    assert figures["all failures"]["crashed"] <= FLOOR["crashed"], figures["all failures"]

"""Every failure of the samples, played by real software through real mitmproxy: named live, as the analysis names it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("mitmproxy", reason="capture needs mitmproxy (extra capture)")
pytest.importorskip("authlib", reason="the authorization server needs Authlib")
if not shutil.which("nginx"):
    pytest.skip("nginx stands before the authorization server, and is not installed", allow_module_level=True)
sys.path.insert(0, str(ROOT))

import capture_lab

from oauthtrace.analysis import Analysis, analyze
from sample_logs.make.scenarios import SCENARIOS

FAILING = [scenario for scenario in SCENARIOS if scenario.cause and scenario.file != "healthy"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> capture_lab.Run:
    return capture_lab.play(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def later(run: capture_lab.Run) -> Analysis:
    return analyze(db=run.database)


@pytest.mark.parametrize("scenario", FAILING, ids=lambda scenario: scenario.name)
def test_a_failure_is_named_while_it_happens(scenario, run: capture_lab.Run) -> None:
    began, ended = next((began, ended) for played, began, ended in run.played if played is scenario)
    right = {scenario.cause, *scenario.also}
    told = run.told(began, ended)
    of_others = [one for one in told if " → " in one.rest and (scenario.client_id or "") not in one.rest]
    named = [one for one in told if one.cause in right and one not in of_others]
    assert named, f"{sorted(right)} of {scenario.client_id} was not printed, but {told}"


def test_it_ends_in_order_and_keeps_all_of_it(run: capture_lab.Run, later: Analysis) -> None:
    assert run.exit_code == 0
    assert [path.name for path in Path(run.database.parent).glob("kept.duckdb*") if "journal" in path.name] == []
    assert later.exchanges.height > 200
    assert any(" flows fail" in line or " sign-ins fail" in line for _, line in run.lines), (
        "no summary was printed at the end"
    )

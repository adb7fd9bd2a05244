"""The samples: for each scenario that real software played, the analysis names the cause, at the right place."""

from __future__ import annotations

import tomllib
from functools import cache

import polars as pl
import pytest
from conftest import KEY, SAMPLES, told

from oauthtrace.analysis import Analysis, analyze

EXPECTED = tomllib.loads((SAMPLES / "expected.toml").read_text())
BUSY = tomllib.loads((SAMPLES / "busy-day.expected.toml").read_text())["broken"]
CAPTURES = [name for name in EXPECTED if name.endswith((".har", ".mitm"))]


@cache
def analysis_of(name: str) -> Analysis:
    return analyze([SAMPLES / name], key=KEY)


def found_at(analysis: Analysis, entry: dict) -> list[tuple[int, str]]:
    """(position, cause) of the failures at an entry's place or at related ones, the place itself first."""
    places = [entry["position"], *entry["related"]]
    rows = analysis.failures.filter(pl.col("source_position").is_in(places)).select("source_position", "cause").rows()
    return sorted(rows, key=lambda row: places.index(row[0]))


def scenario(entry: dict) -> str:
    return entry.get("scenario", f"entry {entry['position']}")


SCENARIOS = [
    pytest.param(name, entry, id=f"{name}: {entry['scenario']}") for name in CAPTURES for entry in EXPECTED[name]
]
SCENARIOS += [pytest.param("busy-day.har", entry, id=f"busy-day.har: {entry['cause']}") for entry in BUSY]


@pytest.mark.parametrize(("name", "entry"), SCENARIOS)
def test_a_scenario_is_told(name: str, entry: dict) -> None:
    analysis = analysis_of(name)
    found = found_at(analysis, entry)
    if "cause" not in entry:
        wrong = [cause for _, cause in found if cause not in entry["also"]]
        assert not wrong, f"{scenario(entry)} needs no mending, and was told as {wrong}\n  {told(analysis)}"
        return
    right = {entry["cause"], *entry["also"]}
    assert found, (
        f"no failure at {entry['position']} or {entry['related']}, where {entry['cause']} is\n  {told(analysis)}"
    )
    assert any(cause in right for _, cause in found), (
        f"{scenario(entry)}: {found}, not {sorted(right)}\n  {told(analysis)}"
    )


@pytest.mark.parametrize("name", ["healthy.har", "busy-day.har"])
def test_nothing_else_is_called_a_failure(name: str) -> None:
    entries = BUSY if name == "busy-day.har" else EXPECTED.get(name, [])
    analysis = analysis_of(name)
    listed = {place for entry in entries for place in (entry["position"], *entry["related"])}
    others = analysis.failures.filter(~pl.col("source_position").is_in(list(listed)))
    assert others.is_empty(), (
        f"false alarms: {others.select('source_position', 'step', 'status', 'error', 'cause').rows()}"
    )


@pytest.mark.parametrize("name", ["nginx-access.log", "nginx-access.json.log", "app.log"])
def test_logs_of_the_same_run_are_read(name: str) -> None:
    analysis = analysis_of(name)
    (reading,) = analysis.inputs
    assert reading.rejected == 0, reading.rejects
    assert analysis.failures.height > 10


def test_a_capture_and_a_flow_file_of_the_same_run_agree() -> None:
    flows = {
        (r["method"], r["path"], r["code_fp"], r["error"]): r["cause"]
        for r in analysis_of("session.mitm").failures.iter_rows(named=True)
        if r["code_fp"]
    }
    hars = {
        (r["method"], r["path"], r["code_fp"], r["error"]): r["cause"]
        for name in ("server.har", "scope.har")
        for r in analysis_of(name).failures.iter_rows(named=True)
        if r["code_fp"]
    }
    shared = flows.keys() & hars.keys()
    assert {key: flows[key] for key in shared} == {key: hars[key] for key in shared}


def test_the_busy_day_has_no_other_root_than_the_ten() -> None:
    analysis = analysis_of("busy-day.har")
    roots = analysis.failures.filter(pl.col("caused_by").is_null())
    assert sorted(roots["cause"].to_list()) == sorted(entry["cause"] for entry in BUSY), told(analysis)

"""Makes all samples but the busy day: ``python -m sample_logs.make``."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from mitmproxy.http import HTTPFlow

from .lab import Lab
from .recording import (
    Span,
    application_log,
    failed,
    failed_line,
    last,
    path_of,
    read_flows,
    spanning,
    write_flows,
    write_har,
    write_toml,
)
from .scenarios import SCENARIOS, Scenario

OUT = Path(__file__).parents[1]
NGINX_LOGS = ["nginx-access.log", "nginx-access.json.log", "nginx-error.log"]
COMMENT = """What an analysis of each file has to find.
position: 0-based entry of a HAR or flow file; line: 1-based line of a text file.
related: other exchanges of the scenario that show the same failure or follow from it.
A table without a cause is an exchange that looks like a failure but needs no mending."""

FILES = {f"{scenario.file}.har": {scenario.file} for scenario in SCENARIOS}
FILES["session.mitm"] = {"server", "scope"}

Played = tuple[Scenario, Span]
Table = tuple[str, dict[str, Any]]


def main() -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        played = play_all(directory)
        flows = read_flows(directory / "session.mitm")
        for log in NGINX_LOGS:
            shutil.copy(directory / log, OUT / log)
    expected: list[Table] = []
    for file, families in FILES.items():
        plays = [(scenario, span) for scenario, span in played if scenario.file in families]
        part = [flow for flow in flows if any(span.holds(flow) for _, span in plays)]
        write = write_har if file.endswith(".har") else write_flows
        write(part, OUT / file)
        expected += expected_in(file, part, plays)
    for log in ("nginx-access.log", "nginx-access.json.log", "app.log"):
        expected += expected_lines(OUT / log, played)
    write_toml(expected, OUT / "expected.toml", COMMENT)
    print(f"{len(played)} scenarios, {len(flows)} exchanges, {time.monotonic() - started:.0f} s")


def play_all(directory: Path) -> list[Played]:
    """Plays every scenario, one after the other."""
    logs = [directory / log for log in NGINX_LOGS] + [OUT / "app.log"]
    played = []
    with application_log(OUT / "app.log"), Lab(directory, code_lifetime=2) as lab:
        for scenario in SCENARIOS:
            with spanning(logs) as span:
                scenario.play(lab)
            played.append((scenario, span))
    return played


def entry(scenario: Scenario) -> dict[str, Any]:
    """What the table of a scenario begins with."""
    table = {"scenario": scenario.name, "cause": scenario.cause, "also": scenario.also, "client_id": scenario.client_id}
    return {key: value for key, value in table.items() if value is not None}


def expected_in(file: str, flows: list[HTTPFlow], played: list[Played]) -> list[Table]:
    """The tables of a HAR or flow file."""
    tables = []
    for scenario, span in played:
        if scenario.at:
            inside = [position for position, flow in enumerate(flows) if span.holds(flow)]
            shown = [position for position in inside if failed(flows[position])]
            position = last([i for i in inside if path_of(flows[i]) == scenario.at], shown)
            related = [other for other in shown if other != position]
            tables.append((file, entry(scenario) | {"position": position, "related": related}))
    return tables


def expected_lines(log: Path, played: list[Played]) -> list[Table]:
    """The tables of a text file: the request's line in an access log, the first error in the application's log."""
    lines = log.read_text().splitlines()
    tables = []
    for scenario, span in played:
        inside = span.lines[log.name]
        if log.name == "app.log":
            found = next((i for i in inside if " ERROR " in lines[i]), None)
        else:
            request = re.compile(rf'[ "]{scenario.at}[? "]')
            found = last([i for i in inside if request.search(lines[i])], [i for i in inside if failed_line(lines[i])])
        if scenario.at and found is not None:
            tables.append((log.name, entry(scenario) | {"line": found + 1}))
    return tables


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

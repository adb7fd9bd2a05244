"""Reads back what was recorded, cuts it into files and says where in them each failure is."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitmproxy.addons.savehar import SaveHar
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader, FlowWriter

HERE = Path(__file__).parent


class ApplicationFormatter(logging.Formatter):
    """A formatter that shows the application as installed on a server, not where it ran to make samples."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-5s [%(threadName)s] %(name)s: %(message)s")

    def formatException(self, ei: Any) -> str:
        text = super().formatException(ei)
        places = {sys.prefix: "/srv/portal/venv", sys.base_prefix: "/usr", str(HERE): "/srv/portal/app"}
        for here, there in places.items():
            text = text.replace(here, there)
        return text


@contextmanager
def application_log(path: Path) -> Iterator[None]:
    """Lets the applications log to a file."""
    logger, handler = logging.getLogger("portal"), logging.FileHandler(path, "w")
    handler.setFormatter(ApplicationFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield
    logger.removeHandler(handler)
    handler.close()


@dataclass
class Span:
    """The part of the recording that belongs to one scenario: a time, and a range of lines in each log."""

    began: float = field(default_factory=time.time)
    ended: float = 0
    lines: dict[str, range] = field(default_factory=dict)

    def holds(self, flow: HTTPFlow) -> bool:
        return self.began <= flow.request.timestamp_start <= self.ended


@contextmanager
def spanning(logs: list[Path]) -> Iterator[Span]:
    """Notes where in the logs and when something happens."""
    before = {log.name: count_lines(log) for log in logs}
    span = Span()
    yield span
    time.sleep(0.05)  # nginx logs a request after it answered
    span.ended = time.time()
    span.lines = {log.name: range(before[log.name], count_lines(log)) for log in logs}


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def read_flows(path: Path) -> list[HTTPFlow]:
    with path.open("rb") as stream:
        return [flow for flow in FlowReader(stream).stream() if isinstance(flow, HTTPFlow)]


def write_flows(flows: list[HTTPFlow], path: Path) -> None:
    with path.open("wb") as stream:
        writer = FlowWriter(stream)
        for flow in flows:
            writer.add(flow)


def write_har(flows: list[HTTPFlow], path: Path) -> None:
    """What mitmproxy's ``hardump`` writes, without its indent."""
    path.write_text(json.dumps(SaveHar().make_har(flows)) + "\n")


def path_of(flow: HTTPFlow) -> str:
    return flow.request.path.partition("?")[0]


def failed(flow: HTTPFlow) -> bool:
    """Whether an exchange shows a failure, by its status, by a redirect with an error or by having no answer."""
    answer = flow.response
    if answer is None or answer.status_code >= 400 or "error" in flow.request.query:
        return True
    return "error=" in answer.headers.get("Location", "")


def failed_line(line: str) -> bool:
    """The same for a line of an access log, in either format."""
    return bool(re.search(r'(" |"status":)[45]\d\d', line))


def last(matching: list[int], preferred: Container[int]) -> int | None:
    """The last of some positions, among those preferred if there are any."""
    return max([item for item in matching if item in preferred] or matching, default=None)


def write_toml(tables: list[tuple[str, dict[str, Any]]], path: Path, comment: str) -> None:
    """Writes tables, each under the name of the file it is about."""
    blocks = [f"# {line}" for line in comment.splitlines()]
    for name, table in tables:
        blocks += ["", f'[["{name}"]]'] + [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    path.write_text("\n".join(blocks) + "\n")

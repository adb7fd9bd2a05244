"""What tests share: a fixed fingerprint key, and analysing a text or a few exchanges as a user's file would be."""

from __future__ import annotations

import json
import os
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

KEY = bytes(range(32))
"""The key of all tests, so that fingerprints are the same in every run."""

os.environ["OAUTHTRACE_KEY"] = KEY.hex()

from hypothesis import HealthCheck, settings  # noqa: E402 - the key comes first

from oauthtrace.analysis import Analysis, analyze  # noqa: E402
from oauthtrace.privacy import Redactor  # noqa: E402

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "sample_logs"
BASE = datetime(2026, 5, 4, 10, tzinfo=UTC)
"""When the first exchange of a made-up capture happens."""

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")


def moment(seconds: float) -> str:
    """BASE and some seconds, as a HAR writes it."""
    return (BASE + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def har_entry(exchange: dict) -> dict:
    """A HAR entry of an exchange with ``at``, ``method``, ``url``, and if known ``headers``, ``body``, ``status``, ``answer_headers``, ``answer``, ``error``."""
    headers = [{"name": n, "value": v} for n, v in exchange.get("headers", {}).items()]
    answer_headers = [{"name": n, "value": v} for n, v in exchange.get("answer_headers", {}).items()]
    answered = "status" in exchange
    request = {
        "method": exchange["method"],
        "url": exchange["url"],
        "httpVersion": "HTTP/1.1",
        "headers": headers,
        "queryString": [],
        "cookies": [],
    }
    if "body" in exchange:
        mime = next((v for n, v in exchange.get("headers", {}).items() if n.lower() == "content-type"), "")
        request["postData"] = {"mimeType": mime, "text": exchange["body"]}
    answer = exchange.get("answer", "")
    mime = next((v for n, v in exchange.get("answer_headers", {}).items() if n.lower() == "content-type"), "")
    response = {
        "status": exchange.get("status", 0),
        "statusText": "",
        "httpVersion": "HTTP/1.1" if answered else "",
        "headers": answer_headers,
        "cookies": [],
        "content": {"size": len(answer.encode()), "mimeType": mime, "text": answer},
        "redirectURL": "",
    }
    if not answered:
        response["_error"] = exchange.get("error", "net::ERR_FAILED")
    return {
        "startedDateTime": moment(exchange["at"]),
        "time": 12.5,
        "request": request,
        "response": response,
        "cache": {},
        "timings": {},
    }


def har_text(exchanges: list[dict]) -> str:
    """A HAR document of exchanges."""
    log = {"version": "1.2", "creator": {"name": "tests", "version": "1"}, "entries": [har_entry(e) for e in exchanges]}
    return json.dumps({"log": log}, ensure_ascii=False, indent=1)


def analyse_exchanges(folder: Path, exchanges: list[dict]) -> Analysis:
    """The real pipeline over exchanges, written as a HAR first."""
    file = folder / "capture.har"
    file.write_text(har_text(exchanges), encoding="utf-8")
    return analyze([file], key=KEY)


def analyse_text(folder: Path, text: str | bytes, name: str = "some.log") -> Analysis:
    """The real pipeline over the content of one file, whatever its format."""
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return analyze([file], key=KEY)


def analyse_example(folder: Path, example: dict) -> Analysis:
    """The real pipeline over an example of a cause."""
    if "exchanges" in example:
        return analyse_exchanges(folder, list(example["exchanges"]))
    return analyse_text(folder, example["log"].lstrip("\n"))


def told(analysis: Analysis) -> str:
    """Everything that was found, for a failure message: one line an exchange."""
    shown = [
        f"inputs: {[(r.format, r.records, r.exchanges, r.rejected, [x.reason for x in r.rejects][:3]) for r in analysis.inputs]}"
    ]
    found = {row["id"]: row for row in analysis.failures.iter_rows(named=True)}
    for row in analysis.exchanges.iter_rows(named=True):
        failure = found.get(row["id"])
        line = f"{row['source_position']:>4} {row['step']} {row['method'] or ''} {row['path'] or ''} {row['status']} {row['error'] or ''} {row['error_code'] or ''}"
        if failure:
            others = ", ".join(f"{a['cause']} {a['confidence']}" for a in failure["alternatives"])
            follows = f" follows from {failure['caused_by']}" if failure["caused_by"] else ""
            line += f" -> {failure['cause']} {failure['confidence']} ({others}){follows}; facts {row['facts']}"
        elif row["healthy"]:
            line += f" -> healthy: {row['healthy']}"
        shown.append(line)
    return "\n  ".join(shown)


@pytest.fixture
def redactor() -> Redactor:
    """A redactor with the key of all tests."""
    return Redactor(KEY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is known not to be told yet; strictly, so that a mended miss has to leave the list."""
    misses = tomllib.loads((Path(__file__).parent / "known_misses.toml").read_text("utf-8"))["misses"]
    for item in items:
        if reason := misses.get(f"{item.path.name}::{item.name}"):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

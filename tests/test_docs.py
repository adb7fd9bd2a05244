"""The documents are true: what they show is what comes out, what they point to is there."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
from conftest import KEY, ROOT
from typer.testing import CliRunner

from oauthtrace.causes import causes
from oauthtrace.cli import app
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/formats.md",
    "docs/capture.md",
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_linked_is_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / name).parent / link).exists() and not (ROOT / link).exists()] == []
    named = set(re.findall(r"`((?:oauthtrace|tests|sample_logs|docs|benchmarks)/[\w./-]+)`", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_example_of_the_readme_is_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert shown
    printed = CliRunner().invoke(app, ["analyze", "sample_logs/redirect-uri.har"]).output
    lines = [line.split() for line in printed.splitlines()]
    assert [line for line in shown[1].splitlines() if line.split() not in lines] == [], printed


def test_the_number_of_causes_is_right() -> None:
    text = (ROOT / "README.md").read_text("utf-8") + (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert {int(n) for n in re.findall(r"(\d+) causes", text)} == {len(causes())}
    assert len({cause.family for cause in causes().values()}) == 9


def test_every_module_stands_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    folder = ROOT / "oauthtrace"
    modules = [f"{p.name}/" if p.is_dir() else p.name for p in folder.iterdir() if not p.name.startswith("_")]
    assert [m for m in sorted(modules) if f"`{m}" not in text and f"{m} " not in text] == []
    assert [p.stem for p in (folder / "sources").glob("[a-z]*.py") if p.stem not in text] == []


def test_the_example_format_reads(tmp_path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    module = ModuleType("pipegate")
    sys.modules["pipegate"] = module
    exec(code, module.__dict__)  # the document's own example
    lines = [
        b"2026-05-04T10:00:00Z|GET|https://id.test/authorize?response_type=code&client_id=a|302|https://app.test/cb?error=access_denied",
        b"2026-05-04T10:00:01Z|GET|https://id.test/style.css|200|-",
        b"2026-05-04T10:00:02Z|GET|https://id.test/token",
    ]
    file = tmp_path / "pipegate.log"
    file.write_bytes(b"\n".join(lines) + b"\n")
    reading = Reading(str(file), Redactor(KEY))
    with file.open("rb") as stream:
        (row,) = module.read(stream, reading)
    assert (row["step"], row["error"], row["source_position"]) == ("authorization", "access_denied", 1)
    assert (reading.records, reading.exchanges, reading.rejected) == (3, 1, 1)
    assert module.sniff(file.read_bytes()) > 0.5

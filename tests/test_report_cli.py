"""The options that a report has on the command line."""

from __future__ import annotations

import pytest
from conftest import SAMPLES
from typer.testing import CliRunner

from oauthtrace.cli import app

HAR = str(SAMPLES / "redirect-uri.har")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = CliRunner().invoke(app, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stderr

    return call


@pytest.fixture(params=["analyze", "report"])
def make(request, run, tmp_path):
    """Make a report by either command, with these options: exit code, standard error, the page."""

    def call(*options):
        if request.param == "analyze":
            code, said = run("analyze", HAR, "--report", "out.html", *options)
        else:
            assert run("ingest", HAR, "--db", "kept.duckdb")[0] == 0
            code, said = run("report", "--db", "kept.duckdb", "-o", "out.html", *options)
        page = tmp_path / "out.html"
        return code, said, page.read_text("utf-8") if page.exists() else ""

    return call


def test_title(make):
    code, _, page = make("--title", "Monday <3")
    assert code == 0
    assert "<title>Monday &lt;3</title>" in page


def test_share(make):
    code, _, page = make("--share")
    assert code == 0
    assert "acme" not in page
    assert "host-1.example" in page


def test_own_template(make, tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "read.html.j2").write_text("<p>ours: {{ report.inputs | length }}</p>")
    code, _, page = make("--template", "ours")
    assert code == 0
    assert "<p>ours: 1</p>" in page


@pytest.mark.parametrize(
    ("template", "says"),
    [("{% if x %}", "read.html.j2, line 1"), ("{{ nope.x }}", "'nope' is undefined")],
    ids=["syntax", "unknown name"],
)
def test_a_wrong_template_is_one_line(make, tmp_path, template, says):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "read.html.j2").write_text(template)
    code, said, page = make("--template", "ours")
    assert code == 2
    assert says in said
    assert said.count("\n") == 1
    assert page == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--share"], "give --report FILE.html"),
        (["--report", "no/such/folder/x.html"], "can't write no/such/folder/x.html"),
        (["--report", "x.html", "--template", "nope"], "does not exist"),
    ],
    ids=["without a report", "nowhere to write", "no such folder"],
)
def test_what_can_not_be_done_is_said(run, arguments, says):
    code, said = run("analyze", HAR, *arguments)
    assert code == 2
    assert says in said

"""The command line: what it prints where, its exit codes, and that nothing from a log can steer the terminal."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from oauthtrace.cli import app, options
from oauthtrace.cli.terminal import safe

SAMPLES = Path(__file__).parent.parent / "sample_logs"
HAR = str(SAMPLES / "redirect-uri.har")
NGINX = str(SAMPLES / "nginx-access.log")
PROGRAM = Path(sys.executable).with_name("oauthtrace")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


# --- exit codes and streams -------------------------------------------------------------------------------------------

WRONG = {
    "nothing to do": (["analyze"], "give a PATH, or --db FILE"),
    "no such file": (["analyze", HAR, "nope.log"], "nope.log: no such file"),
    "no such option": (["analyze", "--nope"], "--nope"),
    "no such command": (["nope"], "nope"),
    "no time": (["analyze", HAR, "--since", "soonish"], "'soonish' is no time"),
    "no cause": (["analyze", HAR, "--fail-on", "redirect-ur"], "did you mean 'redirect-uri'"),
    "no format": (["analyze", HAR, "--input-format", "nginx"], "nginx-combined"),
    "no database": (["report", "--db", "x.duckdb", "-o", "x.html"], "x.duckdb: no such database"),
    "not a database": (["rejects", "--db", NGINX], "not a DuckDB database"),
    "unknown word": (["explain", "invalid_grnt"], "did you mean invalid_grant"),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG.values(), ids=WRONG)
def test_wrong_usage_is_one_clear_line_and_exit_code_2(run, arguments, says):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


FAIL_ON = {
    "any": 1,
    "redirect-uri": 1,
    "redirect-uri/scheme": 1,
    "scope/invalid,redirect-uri/scheme": 1,
    "server/outage": 0,
}


@pytest.mark.parametrize(("names", "code"), FAIL_ON.items())
def test_fail_on(run, names, code):
    assert run("analyze", HAR, "--fail-on", names)[0] == code


def test_version_and_help(run):
    assert re.fullmatch(r"oauthtrace \d+\.\d+\.\d+\n", run("--version")[1])
    for arguments in (["-h"], ["--help"], ["analyze", "-h"], ["explain", "--help"]):
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        assert "Usage: " in out


def test_help_comes_at_once():
    best = min(_seconds([PROGRAM, "--help"]) for _ in range(3))
    assert best < 1  # about 0.17 s on the machine it was written on; polars alone takes as long again


def _seconds(command):
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def test_the_program_itself_in_a_pipe():
    done = subprocess.run(
        [PROGRAM, "analyze", "-", "--format", "json"], input=Path(NGINX).read_bytes(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["inputs"][0]["file"] == "-"


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_reader_that_goes_away_is_no_failure(output):
    command = f"{PROGRAM} analyze {NGINX} --all --format {output} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_interrupted_exits_with_130():
    process = subprocess.Popen(
        [PROGRAM, "analyze", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "FORCE_COLOR": "1"}, {}], ids=["NO_COLOR", "pipe"])
def test_no_colours(variables):
    done = subprocess.run([PROGRAM, "analyze", HAR], env=os.environ | variables, capture_output=True, check=True)
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", done.stdout)


# --- bad input ----------------------------------------------------------------------------------------------------------


def bad_files(folder):
    nginx = Path(NGINX).read_bytes()
    (folder / "cut.har").write_bytes(Path(HAR).read_bytes()[:-20_000])
    (folder / "binary.dat").write_bytes(bytes(range(256)) * 100)
    (folder / "empty.log").write_bytes(b"")
    (folder / "latin.log").write_bytes(nginx.replace(b"portal", b"p\xf6rtal"))
    (folder / "long.log").write_bytes(nginx + b"/oauth/token" + b"x" * 10_000_000 + b"\n" + nginx)
    (folder / "cut.log.gz").write_bytes(gzip.compress(nginx)[:-100])
    (folder / "not.har").write_text('{"log": 3}')


BAD = {
    # file: exit code when it is alone, what standard error says, what standard output says
    "cut.har": (0, "", "not whole JSON"),
    "binary.dat": (2, "binary.dat: not text and no known capture format", ""),
    "empty.log": (2, "empty.log: the file is empty", ""),
    "latin.log": (0, "", "258 exchanges"),
    "long.log": (0, "", "1 rejected (line 385)"),
    "cut.log.gz": (0, "", "reading stopped here"),
    "not.har": (0, "", "0 of 1 request looks like OAuth"),
}


@pytest.mark.parametrize(("name", "expected"), BAD.items(), ids=BAD)
def test_a_bad_file_alone(run, tmp_path, name, expected):
    bad_files(tmp_path)
    code, out, err = run("analyze", name)
    assert code == expected[0]
    assert expected[1] in err
    assert expected[2] in out
    assert err.count("\n") == (1 if expected[1] else 0)


@pytest.mark.parametrize("database", [[], ["--db", "kept.duckdb"]], ids=["memory", "database"])
def test_a_folder_with_bad_files_is_read_as_far_as_it_goes(run, tmp_path, database):
    (tmp_path / "in").mkdir()
    bad_files(tmp_path / "in")
    code, out, err = run("analyze", "in", "--format", "json", *database)
    assert code == 0
    assert sorted(re.findall(r"in/([\w.]+): ", err)) == ["binary.dat", "empty.log"]
    inputs = {Path(entry["file"]).name: entry for entry in json.loads(out)["inputs"]}
    assert {name for name, entry in inputs.items() if entry["exchanges"]} == {
        "cut.har",
        "latin.log",
        "long.log",
        "cut.log.gz",
    }
    assert {name for name, entry in inputs.items() if entry["rejected"]} >= {
        "cut.har",
        "binary.dat",
        "long.log",
        "cut.log.gz",
    }


def test_input_without_oauth_says_so(run, tmp_path):
    entry = {
        "startedDateTime": "2026-03-02T09:00:00Z",
        "request": {"method": "GET", "url": "https://shop.test/a.png", "headers": []},
        "response": {"status": 200, "headers": [], "content": {}},
    }
    (tmp_path / "a.har").write_text(json.dumps({"log": {"version": "1.2", "entries": [entry] * 3}}))
    code, out, _ = run("analyze", "a.har")
    assert code == 0
    assert "0 of 3 requests look like OAuth; hosts seen: shop.test (3)" in out


# --- what is printed ----------------------------------------------------------------------------------------------------


def test_the_summary_marks_the_differing_characters(run):
    _, out, _ = run("analyze", HAR, "--cause", "redirect-uri/scheme")
    assert "redirect-uri/scheme   portal → login.acme.test" in out
    lines = out.splitlines()
    worked = next(n for n, line in enumerate(lines) if line.startswith("     worked"))
    assert lines[worked - 1] == "     sent    http://portal.acme.test/callback"
    assert lines[worked] == "     worked  https://portal.acme.test/callback"
    assert lines[worked + 1] == "                 ^"


def test_narrowed_and_all(run):
    few, every = run("analyze", NGINX)[1], run("analyze", NGINX, "--all")[1]
    assert "more: --all" in few
    assert "more: --all" not in every
    assert len(every) > len(few)
    document = json.loads(run("analyze", NGINX, "--client", "spa", "--format", "json")[1])
    assert {failure["client_id"] for failure in document["failures"]} == {"spa"}


def test_documents(run):
    whole = json.loads(run("analyze", HAR, "--format", "json")[1])
    assert whole["schema"] == "oauthtrace/1"
    assert [json.loads(line) for line in run("analyze", HAR, "--format", "ndjson")[1].splitlines()] == whole["failures"]
    roots = [failure for failure in whole["failures"] if failure["caused_by"] is None]

    sarif = json.loads(run("analyze", HAR, "--format", "sarif")[1])
    results = sarif["runs"][0]["results"]
    rules = sarif["runs"][0]["tool"]["driver"]["rules"]
    assert [result["partialFingerprints"]["oauthtraceId/1"] for result in results] == [
        failure["id"] for failure in roots
    ]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)

    suite = ET.fromstring(run("analyze", HAR, "--format", "junit")[1])
    assert {case.get("name") for case in suite if case.find("failure") is not None} == {
        failure["cause"] for failure in roots
    }

    markdown = run("analyze", HAR, "--format", "markdown")[1]
    assert markdown.startswith("# ")
    assert "| redirect-uri/scheme | portal |" in markdown


def test_database_ingest_report_rejects(run, tmp_path):
    code, out, _ = run("ingest", NGINX, HAR, "--db", "kept.duckdb")
    assert (code, "285 new exchanges" in out) == (0, True)
    assert "0 new exchanges" in run("ingest", NGINX, HAR, "--db", "kept.duckdb")[1]
    from_database = json.loads(run("analyze", "--db", "kept.duckdb", "--format", "json")[1])
    from_files = json.loads(run("analyze", NGINX, HAR, "--format", "json")[1])
    assert [f["id"] for f in from_database["failures"]] == [f["id"] for f in from_files["failures"]]
    code, out, _ = run("report", "--db", "kept.duckdb", "-o", "x.html")
    assert (code, out) == (0, "x.html\n")
    assert "<html" in (tmp_path / "x.html").read_text()
    assert "every record could be read" in run("rejects", "--db", "kept.duckdb")[2]
    bad_files(tmp_path)
    run("ingest", "cut.har", "long.log", "--db", "kept.duckdb")
    assert "long.log:385" in run("rejects", "--db", "kept.duckdb")[1]
    assert {entry["file"] for entry in json.loads(run("rejects", "--db", "kept.duckdb", "--format", "json")[1])} == {
        "cut.har",
        "long.log",
    }


def test_lists(run):
    from oauthtrace.causes import causes
    from oauthtrace.sources import formats
    from oauthtrace.sources.carriers import carriers

    for command, names in (("causes", causes()), ("formats", [*formats(), *carriers()])):
        table, document = run(command)[1], json.loads(run(command, "--format", "json")[1])
        assert all(name in table for name in names)
        assert {entry.get("id") or entry["name"] for entry in document} == set(names)


EXPLAINED = {
    "redirect-uri/scheme": ["How it is told", "What looks like it", "What to change", "RFC 6749"],
    "redirect-uri": ["family", "redirect-uri/trailing-slash"],
    "pkce-mismatch": ["binding/pkce-mismatch", "How to check"],
    "invalid_grant": ["causes hide behind it", "grant/code-expired", "grant/code-reused"],
    "INVALID_GRANT": ["grant/code-expired"],
    "AADSTS50011": ["Entra", "redirect"],
    "AADSTS50011: The redirect URI specified in the request does not match": ["redirect"],
}


@pytest.mark.parametrize(("word", "says"), EXPLAINED.items(), ids=EXPLAINED)
def test_explain(run, word, says):
    code, out, _ = run("explain", word)
    assert code == 0
    assert all(text in out for text in says)


def test_every_cause_and_every_code_can_be_explained(run):
    from oauthtrace.causes import causes
    from oauthtrace.providers import providers

    words = [*causes(), *(code for provider in providers().values() for code in list(provider.codes)[:3])]
    for word in words:
        assert run("explain", word)[0] == 0, word


# --- times --------------------------------------------------------------------------------------------------------------

MOMENTS = {
    "2026-03-02": lambda _: datetime(2026, 3, 2, tzinfo=UTC),
    "2026-03-02T09:00": lambda _: datetime(2026, 3, 2, 9, tzinfo=UTC),
    "2026-03-02T09:00:00+02:00": lambda _: datetime(2026, 3, 2, 7, tzinfo=UTC),
    "2026-03-02T09:00Z": lambda _: datetime(2026, 3, 2, 9, tzinfo=UTC),
    "-3h": lambda now: now - timedelta(hours=3),
    "30m ago": lambda now: now - timedelta(minutes=30),
    "2d": lambda now: now - timedelta(days=2),
    "yesterday": lambda now: midnight(now) - timedelta(days=1),
    "09:30": lambda now: midnight(now) + timedelta(hours=9, minutes=30),
}


def midnight(moment):
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize(("text", "meant"), MOMENTS.items(), ids=MOMENTS)
def test_times_as_people_write_them(text, meant):
    now = datetime.now(UTC)
    assert abs(options.moment(text) - meant(now).replace(tzinfo=None)) < timedelta(minutes=2)


@pytest.mark.parametrize("text", ["", "soon", "25:99", "2026-13-01", "3 parsecs"])
def test_what_is_no_time(text):
    with pytest.raises(typer.BadParameter):
        options.moment(text)


# --- hostile logs -------------------------------------------------------------------------------------------------------

STEERS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]"
)


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text):
    assert not STEERS.search(safe(text))


@pytest.mark.parametrize(
    "hostile", ["\x1b]0;owned\x07", "\x1b[2J", "\u202emoc.live", "\x9b31m", "a\rb", "[bold red]x[/]"], ids=ascii
)
def test_a_hostile_log_can_not_steer_the_terminal(run, tmp_path, hostile):
    request = {
        "method": "GET",
        "url": f"https://idp.test/authorize?response_type=code&client_id={hostile}&redirect_uri=https://a.test/{hostile}",
        "headers": [],
    }
    answer = {
        "status": 400,
        "headers": [],
        "content": {
            "mimeType": "application/json",
            "text": json.dumps({"error": "invalid_request", "error_description": f"bad {hostile} redirect_uri"}),
        },
    }
    entry = {"startedDateTime": "2026-03-02T09:00:00Z", "request": request, "response": answer}
    name = f"a{hostile.replace('/', '')}.har"
    (tmp_path / name).write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
    (tmp_path / f"b{hostile.replace('/', '')}.bin").write_bytes(b"\0\1")
    for output in ("table", "markdown"):
        code, out, err = run("analyze", tmp_path, "--format", output, "--all")
        assert code == 0
        assert not STEERS.search(out)
        assert not STEERS.search(err)
    assert "[/]" not in hostile or "[bold red]" in run("analyze", tmp_path)[1]


def test_the_command_line_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "oauthtrace", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "oauthtrace"), done.stderr

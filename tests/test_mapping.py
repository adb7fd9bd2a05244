"""What users say of their inputs: names of formats, format strings, mappings, zones; and what is said of wrong guesses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from conftest import KEY, ROOT, analyse_text, told
from typer.testing import CliRunner

from oauthtrace.analysis import analyze
from oauthtrace.cli import app
from oauthtrace.sources import Reading, formats
from oauthtrace.sources.mapping import BadMapping, read_mapping
from oauthtrace.sources.user import Unusable, as_described, zone_of

MAPPING = """
name = "pipegate"
[fields]
time = "when"
method = "req.verb"
url = ["req.uri", "req.path"]
status = "res.code"
client = "peer"
took_ms = "ms"
"in:user-agent" = "ua"
"""
RECORD = {
    "when": "2026-05-04T10:00:00Z",
    "req": {"verb": "GET", "path": "/callback?error=access_denied&state=abcdefgh"},
    "res": {"code": 403},
    "peer": "203.0.113.7",
    "ms": 12,
    "ua": "Mozilla/5.0",
}
COLUMNS = """
kind = "delimited"
separator = "|"
columns = ["day", "clock", "verb", "uri", "query", "code", "agent"]
time_format = "%d.%m.%Y %H:%M:%S"
[fields]
time = "{day} {clock}"
method = "verb"
url = "uri"
query = "query"
status = "code"
"in:user-agent" = "agent"
"""
CELLS = '04.05.2026|12:00:00|GET|/callback|error=access_denied&state=abcdefgh|403|"Mozilla | 5.0"'


def mapped(folder: Path, text: str) -> Path:
    file = folder / "mapping.toml"
    file.write_text(text)
    return file


def test_a_json_log_that_no_format_knows(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text(f"{json.dumps(RECORD)}\n" * 2 + '{"when":"oauth cut\n')
    analysis = analyze([log], mapping=mapped(tmp_path, MAPPING), key=KEY)
    (reading,) = analysis.inputs
    assert (reading.format, reading.records, reading.exchanges, reading.rejected) == ("pipegate", 3, 2, 1)
    row = analysis.exchanges.row(0, named=True)
    seen = {
        n: row[n] for n in ("step", "error", "client_address", "duration_ms", "user_agent", "time", "source_position")
    }
    assert seen == {
        "step": "redirection", "error": "access_denied", "client_address": "203.0.113.7", "duration_ms": 12.0,
        "user_agent": "Mozilla/5.0", "time": datetime(2026, 5, 4, 10), "source_position": 1,
    }  # fmt: skip


def test_a_delimited_log_in_its_own_zone(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text(
        "day|clock|verb|uri|query|code|agent\n" + f"{CELLS}\n" * 3 + "04.05.2026|12:00:00|GET|/callback|error=x\n"
    )
    analysis = analyze([log], mapping=mapped(tmp_path, COLUMNS), assume_tz="Europe/Berlin", key=KEY)
    (reading,) = analysis.inputs
    assert (reading.format, reading.exchanges) == ("mapping", 3), told(analysis)
    assert [reject.reason for reject in reading.rejects] == ["5 columns, not 7"]
    assert analysis.exchanges.select("time", "user_agent").unique().rows() == [
        (datetime(2026, 5, 4, 10), "Mozilla | 5.0")
    ]


def test_a_mapping_inside_of_a_carrier(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text("".join(f"gateway-1  | {json.dumps(RECORD)}\n" for _ in range(3)))
    assert analyze([log], mapping=mapped(tmp_path, MAPPING), key=KEY).inputs[0].format == "docker-compose>pipegate"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = 'xml'", "kind: 'xml', but json or delimited is expected"),
        ("[feilds]\na = 'b'", "feilds: no such key, did you mean 'fields'"),
        ("[fields]\nsttaus = 'a'", "fields.sttaus: no such field, did you mean 'status'"),
        ("[fields]\nstatus = 5", "fields.status: the name of a key"),
        ("[fields]\nstatus = ['a', 5]", "fields.status: the name of a key"),
        ("[fields]\nmethod = 'a'\nurl = 'b'", "fields.status: missing"),
        ("[fields]\nstatus = 'a'\nmethod = 'b'", "fields.url: missing"),
        ("columns = ['a', 'a']\n[fields]\nstatus = 'a'", "columns: 'a' stands there twice"),
        ("kind = 'delimited'\n[fields]\nstatus = 'a'", "columns: the names of all columns"),
        ("columns = ['code']\n[fields]\nstatus = 'cod'", "fields.status: no column 'cod', did you mean 'code'"),
        (
            "columns = ['a', 'b']\nseparator = '||'\n[fields]\nstatus = 'a'\nrequest = 'b'",
            "separator: '||', but one character",
        ),
        ("separator = 5", "separator: has to be a str"),
        ("a = [", "not TOML"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said_with_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    file = mapped(tmp_path, text)
    with pytest.raises(BadMapping) as error:
        read_mapping(file)
    assert str(error.value).startswith(f"{file}: ")
    assert said in str(error.value)


def test_the_documents_mapping_is_one(tmp_path: Path) -> None:
    template = (ROOT / "docs" / "formats.template.md").read_text("utf-8")
    form = read_mapping(mapped(tmp_path, template.split("```toml\n")[1].split("```")[0]))
    assert "in:user-agent" in form.fields


# --- the other three --------------------------------------------------------------------------------------------------


def test_the_servers_own_format_string(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(
        "2026-05-04T10:00:00+00:00|GET /callback?error=access_denied&state=abcdefgh HTTP/1.1|403|203.0.113.7\n" * 3
    )
    har = tmp_path / "other.log"
    har.write_text('203.0.113.7 - - [04/May/2026:10:00:00 +0000] "GET /cb HTTP/1.1" 200 1 "-" "-"\n')
    analysis = analyze([log, har], log_format="$time_iso8601|$request|$status|$remote_addr", key=KEY)
    assert [reading.format for reading in analysis.inputs] == ["nginx-custom", "nginx-combined"]
    assert analysis.exchanges["error"].to_list() == ["access_denied"] * 3


@pytest.mark.parametrize("name", ["docker-json-file>nginx-combined", "nginx-combined"])
def test_a_named_format_with_and_without_what_it_comes_in(name: str, tmp_path: Path) -> None:
    line = '203.0.113.7 - - [04/May/2026:10:00:00 +0000] "GET /callback?error=access_denied&state=abcdefgh HTTP/1.1" 403 1 "-" "-"'
    log = tmp_path / "a.log"
    log.write_text(json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-05-04T10:00:00Z"}) + "\n")
    (reading,) = analyze([log], input_format=name, key=KEY).inputs
    assert (reading.format, reading.exchanges) == ("docker-json-file>nginx-combined", 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"input_format": "nginx"}, "no format 'nginx'; one of "),
        ({"input_format": "docker>text"}, "no carrier 'docker'; one of "),
        ({"assume_tz": "Berlin"}, "no time zone 'Berlin'"),
        ({"text": "no variables"}, "log format 'no variables': "),
    ],
)
def test_what_can_not_be_used_is_said_in_one_line(options: dict, said: str) -> None:
    with pytest.raises(Unusable) as error:
        as_described(**options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_line_says_it_too(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("x\n")
    run = CliRunner().invoke(app, ["analyze", str(log), "--assume-tz", "Mars"])
    assert run.exit_code == 2
    assert "no time zone 'Mars'" in run.stderr
    run = CliRunner().invoke(app, ["analyze", str(log), "--input-format", "cri>nginx"])
    assert run.exit_code == 2
    assert "no format 'nginx'" in run.stderr


def test_a_zone_is_one_of_the_tz_database() -> None:
    assert zone_of("Europe/Berlin").utcoffset(datetime(2026, 7, 1)).total_seconds() == 7200  # type: ignore[union-attr]


# --- a wrong guess is worse than a question ---------------------------------------------------------------------------

ODD = '203.0.113.7 - - [04/May/2026:10:00:00 +0000] "GET /callback?error=access_denied&state=abcdefgh HTTP/1.1" 403 1 "-" "-"'


def test_a_text_that_is_nearly_a_format_says_which_were_weighed(tmp_path: Path) -> None:
    reading: Reading
    (reading,) = analyse_text(tmp_path, f"{ODD}\nstarting up\nlistening\n" * 5).inputs
    assert reading.format == "text"
    assert "nginx-combined 0." in reading.notes[0]
    assert "--input-format" in reading.notes[0]


def test_it_is_said_on_standard_error_too(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"{ODD}\nstarting up\nlistening\n" * 5)
    run = CliRunner().invoke(app, ["analyze", str(log), "--format", "json"])
    assert "weighed nginx-combined 0." in run.stderr
    assert "weighed nginx-combined 0." in json.loads(run.stdout)["inputs"][0]["notes"][0]


def test_an_ordinary_text_asks_nothing(tmp_path: Path) -> None:
    assert (
        analyse_text(tmp_path, "2026-05-04T10:00:00Z ERROR oauth token request failed: invalid_client\n")
        .inputs[0]
        .notes
        == []
    )


# --- folders ----------------------------------------------------------------------------------------------------------


def test_what_is_no_log_by_its_name_is_passed_over_in_a_folder_and_said(tmp_path: Path) -> None:
    for name in ("a.log", "labels.toml", "make.py", "README.md", "id.key"):
        (tmp_path / name).write_text(f"{ODD}\n")
    run = CliRunner().invoke(app, ["analyze", str(tmp_path), "--format", "json"])
    assert [Path(i["file"]).name for i in json.loads(run.stdout)["inputs"]] == ["a.log"]
    assert "4 files that are no logs by their names" in run.stderr
    assert analyze([tmp_path / "README.md"], key=KEY).inputs[0].exchanges == 1


def test_the_samples_folder_is_read_whole() -> None:
    run = CliRunner().invoke(app, ["analyze", str(ROOT / "sample_logs" / "formats"), "--format", "json"])
    for one in json.loads(run.stdout)["inputs"]:
        name = Path(one["file"]).name.partition(".")[0]
        assert name in one["format"].split(">"), one
        assert one["exchanges"] + one["rejected"] + one["not_oauth"] == one["records"], one


def test_every_format_has_a_sample() -> None:
    missing = [
        name for name in formats() if name != "text" and not list((ROOT / "sample_logs" / "formats").glob(f"{name}.*"))
    ]
    assert missing == [], f"no sample_logs/formats/NAME.* for {missing}"

"""Carriers: whatever a log comes in, the same exchanges come out, at the file's own lines, however often it is read."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from conftest import KEY, ROOT, SAMPLES, analyse_text, told
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ingest import KINDS, TRACE, Place, facts
from test_ingest import lines as lines_of_kind

from oauthtrace.analysis import Analysis, analyze
from oauthtrace.sources import carriers, lines
from oauthtrace.sources.carriers import Setting, cri, docker_json_file, syslog
from oauthtrace.sources.peeling import Peeled
from oauthtrace.sources.times import yearless

sys.path.insert(0, str(ROOT))
from sample_logs.make.formats.wrapping import WRAPPERS, Lines, written

INNER = (SAMPLES / "formats" / "nginx-combined.log").read_text().splitlines()
BARE = ("step", "method", "path", "status", "error", "client_id", "state_fp", "redirect_uri", "time")
LINE = '203.0.113.7 - - [04/May/2026:10:00:{:02d} +0000] "GET {} HTTP/1.1" {} 12 "-" "Mozilla/5.0"'
REFUSED = "/callback?error=access_denied&state=abcdefgh"


def found(analysis: Analysis) -> list[dict]:
    return analysis.exchanges.select(BARE).to_dicts()


def by_line(carrier: str) -> bool:
    return hasattr(carriers.carriers()[carrier], "peel")


# --- the same comes out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "carrier", "wrap"), [(n, *w) for n, w in WRAPPERS.items()], ids=WRAPPERS)
def test_what_a_log_comes_in_changes_nothing(name: str, carrier: str, wrap: Callable, tmp_path: Path) -> None:
    bare = analyse_text(tmp_path, "\n".join(INNER))
    carried = analyse_text(tmp_path, wrap(written(INNER)), name)
    (reading,) = carried.inputs
    assert reading.format == f"{carrier}>nginx-combined", reading
    assert (reading.rejected, reading.notes) == (0, []), reading.rejects
    assert found(carried) == found(bare), told(carried)


NESTS = ["docker-json-file.log", "syslog.rfc5424.log", "fluentd.log", "ecs-json.log", "docker-compose.log", "cri.log"]


@pytest.mark.parametrize("outer", [*NESTS, "otlp-json.log", "cloudwatch.json", "loki.json", "journald-export.log"])
@pytest.mark.parametrize("inner", NESTS)
def test_a_carrier_in_a_carrier(outer: str, inner: str, tmp_path: Path) -> None:
    content = WRAPPERS[inner][1](written(INNER)).decode().splitlines()
    carried = analyse_text(tmp_path, WRAPPERS[outer][1](written(content)), outer)
    (reading,) = carried.inputs
    assert reading.format == f"{WRAPPERS[outer][0]}>{WRAPPERS[inner][0]}>nginx-combined"
    assert found(carried) == found(analyse_text(tmp_path, "\n".join(INNER)))


def test_four_carriers_in_each_other(tmp_path: Path) -> None:
    content = INNER
    for name in ("ecs-json.log", "docker-json-file.log", "syslog.rfc5424.log", "fluentd.log"):
        content = WRAPPERS[name][1](written(content)).decode().splitlines()
    carried = analyse_text(tmp_path, "\n".join(content))
    assert carried.inputs[0].format == "fluentd>syslog>docker-json-file>ecs-json>nginx-combined"
    assert found(carried) == found(analyse_text(tmp_path, "\n".join(INNER)))


@pytest.mark.parametrize("name", [n for n, (c, _) in WRAPPERS.items() if c != "otlp-json"])
def test_places_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    wrap = WRAPPERS[name][1]
    before = 1 if name == "lambda.log" else 0
    places = analyse_text(tmp_path, "\n".join(INNER)).exchanges["source_position"]
    carried = analyse_text(tmp_path, wrap(written(INNER)), name)
    assert carried.exchanges["source_position"].to_list() == [p + before for p in places]


# --- pieces and entries -----------------------------------------------------------------------------------------------


def docker(stream: str, text: str, second: int = 0) -> str:
    return json.dumps({"log": text, "stream": stream, "time": f"2026-05-04T10:00:{second:02d}.5Z"})


LONG = LINE.format(1, f"/callback?error=access_denied&state=abcdefgh&pad={'x' * 40_000}", 403)


@pytest.mark.parametrize("name", ["docker-json-file.log", "cri.log"])
def test_a_long_line_is_joined_and_stands_where_its_first_piece_stands(name: str, tmp_path: Path) -> None:
    carried = analyse_text(tmp_path, WRAPPERS[name][1](written([INNER[0], LONG, LINE.format(9, REFUSED, 403)])))
    assert carried.exchanges["source_position"].to_list() == [2, 5], told(carried)
    assert (carried.inputs[0].records, carried.inputs[0].rejected) == (3, 0)


def test_pieces_of_two_streams_do_not_mix(tmp_path: Path) -> None:
    one, two = LINE.format(1, REFUSED, 403), LINE.format(2, "/callback?error=login_required&state=abcdefgh", 403)
    content = [
        docker("stdout", one[:50]),
        docker("stderr", two[:90]),
        docker("stdout", one[50:] + "\n"),
        docker("stderr", two[90:] + "\n"),
    ]
    carried = analyse_text(tmp_path, "\n".join(content * 3))
    rows = carried.exchanges.select("source_position", "error").sort("source_position").rows()
    assert rows[:2] == [(1, "access_denied"), (2, "login_required")], told(carried)
    assert carried.inputs[0].rejected == 0


def test_stack_traces_of_two_containers_do_not_mix(tmp_path: Path) -> None:
    one, two = (TRACE.format(n=n, m=n, status=400).splitlines() for n in (1, 2))
    both = [line for pair in zip(one, two, strict=True) for line in ((f"web-1  | {pair[0]}"), (f"job-1  | {pair[1]}"))]
    carried = analyse_text(tmp_path, "\n".join(both))
    apart = analyse_text(tmp_path, "\n".join([*one, *two]))
    assert carried.inputs[0].format == "docker-compose>text"
    columns = ["client_id", "error", "message", "time"]
    assert carried.exchanges.select(columns).to_dicts() == apart.exchanges.select(columns).to_dicts(), told(carried)
    assert carried.exchanges["source_position"].to_list() == [1, 2]


def test_control_characters_of_rsyslog_are_undone(tmp_path: Path) -> None:
    text = TRACE.format(n=1, m=1, status=400).rstrip("\n").replace("\n", "#012")
    carried = analyse_text(tmp_path, f"May  4 10:00:00 gw1 portal[7]: {text}\n" * 3)
    apart = analyse_text(tmp_path, TRACE.format(n=1, m=1, status=400))
    assert carried.inputs[0].format == "syslog>text"
    assert carried.exchanges["message"].to_list() == apart.exchanges["message"].to_list() * 3


def test_a_message_that_is_not_utf8_is_a_list_of_bytes_in_the_journal(tmp_path: Path) -> None:
    message = list(LINE.format(1, REFUSED, 403).encode() + b"\xff")
    record = json.dumps({"__REALTIME_TIMESTAMP": "1777888800000000", "MESSAGE": message})
    carried = analyse_text(tmp_path, f"{record}\n" * 3)
    assert (carried.inputs[0].format, carried.exchanges.height) == ("journald-json>nginx-combined", 3)


def test_what_is_none_of_the_carriers_is_read_as_it_is(tmp_path: Path) -> None:
    content = WRAPPERS["docker-json-file.log"][1](written(INNER)).decode().splitlines()
    content.insert(3, LINE.format(9, REFUSED, 403))
    content.insert(5, '{"log":"cut off oauth')
    carried = analyse_text(tmp_path, "\n".join(content))
    (reading,) = carried.inputs
    assert (4 in carried.exchanges["source_position"], [r.position for r in reading.rejects]) == (True, [6]), told(
        carried
    )


# --- HTTP fields ------------------------------------------------------------------------------------------------------

FIELDS = {
    "ecs-json": {
        "@timestamp": "2026-05-04T10:00:00.031Z", "http": {"request": {"method": "POST"}, "response": {"status_code": 401}},
        "url": {"original": "/oauth2/token", "domain": "id.acme.test"}, "source": {"ip": "203.0.113.7"}, "event": {"duration": 41_000_000},
    },
    "ecs-json, dotted": {
        "@timestamp": "2026-05-04T10:00:00.031Z", "http.request.method": "POST", "http.response.status_code": 401, "url.path": "/oauth2/token",
        "url.domain": "id.acme.test", "client.ip": "203.0.113.7", "event.duration": 41_000_000, "message": "request served",
    },
    "otlp-json": {"resourceLogs": [{"scopeLogs": [{"logRecords": [{
        "timeUnixNano": "0", "observedTimeUnixNano": "1777888800031000000", "body": {"stringValue": "served"}, "attributes": [
            {"key": "http.method", "value": {"stringValue": "POST"}}, {"key": "http.url", "value": {"stringValue": "https://id.acme.test/oauth2/token"}},
            {"key": "http.status_code", "value": {"intValue": "401"}}, {"key": "client.address", "value": {"stringValue": "203.0.113.7"}},
        ],
    }]}]}]},
    "datadog": {
        "id": "1", "attributes": {"timestamp": "2026-05-04T10:00:00.031Z", "message": "served", "attributes": {
            "http": {"method": "POST", "url": "https://id.acme.test/oauth2/token", "status_code": 401}, "network": {"client": {"ip": "203.0.113.7"}}, "duration": 41_000_000,
        }},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_record_with_http_fields_is_an_exchange(name: str, tmp_path: Path) -> None:
    carried = analyse_text(tmp_path, f"{json.dumps(FIELDS[name])}\n" * 2)
    assert carried.inputs[0].format == f"{name.partition(',')[0]}>json-access"
    row = carried.exchanges.row(1, named=True)
    seen = {n: row[n] for n in ("source_position", "step", "method", "host", "path", "status", "client_address")}
    assert seen == {
        "source_position": 2, "step": "token", "method": "POST", "host": "id.acme.test", "path": "/oauth2/token",
        "status": 401, "client_address": "203.0.113.7",
    }  # fmt: skip
    assert row["time"] == datetime(2026, 5, 4, 10, 0, 0, 31_000)
    assert row["duration_ms"] in (41.0, None if name == "otlp-json" else 41.0)


def test_a_logfmt_line_with_a_request_is_an_exchange(tmp_path: Path) -> None:
    line = 'time="2026-05-04T10:00:00Z" level=warning msg="request done" method=POST path=/oauth2/token status=401 host=id.acme.test'
    carried = analyse_text(tmp_path, f"{line}\n" * 3)
    assert carried.inputs[0].format == "logfmt>json-access"
    assert carried.exchanges.select("step", "status", "host").unique().rows() == [("token", 401, "id.acme.test")]


def test_a_severity_that_the_logger_gave_is_kept(tmp_path: Path) -> None:
    record = {
        "@timestamp": "2026-05-04T10:00:00Z",
        "log.level": "INFO",
        "message": "authorization code exchange was refused by the provider",
    }
    calm = analyse_text(tmp_path, f"{json.dumps(record)}\n" * 2)
    loud = analyse_text(tmp_path, f"{json.dumps(record | {'log.level': 'ERROR'})}\n" * 2)
    assert (calm.failures.height, loud.failures.height > 0) == (0, True)


# --- times ------------------------------------------------------------------------------------------------------------

NO_ZONE = '2026/05/04 12:00:00 [error] 31#31: *1 upstream timed out while reading response header from upstream, request: "POST /oauth2/token HTTP/1.1"'


def test_the_carriers_time_counts_where_the_line_has_no_zone(tmp_path: Path) -> None:
    """A line written in Berlin, where it is two hours later than in UTC."""
    carried = analyse_text(tmp_path, WRAPPERS["docker-json-file.log"][1]([(1_777_888_800.25, NO_ZONE)] * 2))
    assert carried.exchanges["time"].to_list() == [datetime(2026, 5, 4, 10, 0, 0, 250_000)] * 2, told(carried)


def test_the_lines_own_time_counts_where_it_has_a_zone(tmp_path: Path) -> None:
    late = [(at + 3600, text) for at, text in written(INNER)]
    carried = analyse_text(tmp_path, WRAPPERS["cri.log"][1](late))
    assert carried.exchanges["time"].to_list() == analyse_text(tmp_path, "\n".join(INNER)).exchanges["time"].to_list()


@pytest.mark.parametrize(
    ("text", "latest", "zone", "expected"),
    [
        ("May  4 10:00:00", "2026-05-05", UTC, "2026-05-04T10:00:00+00:00"),
        ("Dec 31 23:59:59", "2026-01-02", UTC, "2025-12-31T23:59:59+00:00"),
        ("Jan  1 00:00:01", "2026-01-02", UTC, "2026-01-01T00:00:01+00:00"),
        ("Feb 29 12:00:00", "2026-03-01", UTC, "2024-02-29T12:00:00+00:00"),
        ("May  4 10:00:00.125", "2026-05-05", UTC, "2026-05-04T10:00:00.125+00:00"),
        ("Jul  4 10:00:00", "2026-07-05", ZoneInfo("Europe/Berlin"), "2026-07-04T08:00:00+00:00"),
        ("Jan  4 10:00:00", "2026-07-05", ZoneInfo("Europe/Berlin"), "2026-01-04T09:00:00+00:00"),
        ("Xyz  4 10:00:00", "2026-07-05", UTC, None),
        ("May 44 10:00:00", "2026-07-05", UTC, None),
    ],
)  # fmt: skip
def test_a_time_without_a_year(text: str, latest: str, zone, expected: str | None) -> None:
    moment = yearless(text, datetime.fromisoformat(latest).replace(tzinfo=UTC).timestamp(), zone)
    assert moment == (datetime.fromisoformat(expected).timestamp() if expected else None)


@pytest.mark.parametrize(("stamp", "utc"), [("2026/01/15 12:00:00", 11), ("2026/07/15 12:00:00", 10)])
def test_assumed_zone_knows_daylight_saving(stamp: str, utc: int, tmp_path: Path) -> None:
    file = tmp_path / "error.log"
    file.write_text(NO_ZONE.replace("2026/05/04 12:00:00", stamp) + "\n")
    analysis = analyze([file], assume_tz="Europe/Berlin", key=KEY)
    assert [time.hour for time in analysis.exchanges["time"]] == [utc], told(analysis)


# --- read in parts ----------------------------------------------------------------------------------------------------

SPLIT = {
    name: wrap
    for name, (carrier, wrap) in WRAPPERS.items()
    if by_line(carrier) and name.endswith(".log") and "counted" not in name
}


def interleaved(seconds: Lines) -> bytes:
    """Two containers' lines in turn, as Compose prints them."""
    return "".join(f"{'web' if n % 2 else 'job'}-1  | {text}\n" for n, (_, text) in enumerate(seconds)).encode()


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    wrap=st.sampled_from([*SPLIT.values(), interleaved]),
    count=st.integers(1, 8),
    cuts=st.lists(st.floats(0, 1), max_size=3),
    live=st.booleans(),
    piece=st.sampled_from([23, 150, 16 * 1024]),
)
def test_any_split_of_a_carried_log_gives_what_one_run_gives(kind, wrap, count, cuts, live, piece) -> None:
    from sample_logs.make.formats import wrapping

    texts = lines_of_kind(kind, 0, count).decode().splitlines()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(wrapping, "PIECE", piece)
        whole = wrap(written(texts))
        once, often = Place(Path(folder)), Place(Path(folder) / "often")
        often.folder.mkdir()
        once.write("app.log", whole)
        (single,) = once.ingest("app.log")
        ends = [*sorted(int(cut * len(whole)) for cut in cuts), len(whole)]
        for begin, end in zip([0, *ends], ends, strict=False):
            often.write("app.log", whole[begin:end], mode="ab", age_s=0 if live and end < len(whole) else 3600)
            last = often.ingest("app.log")[0] if end else None
        assert last is not None
        assert facts(often.store) == facts(once.store)
        assert (last.format, last.records, last.rejected) == (single.format, single.records, single.rejected)
        assert often.store.rejects().drop("file").rows() == once.store.rejects().drop("file").rows()


@pytest.mark.parametrize("size", [64, 1000, 5000])
@pytest.mark.parametrize("kind", ["access", "trace"])
@pytest.mark.parametrize("name", ["docker-json-file.log", "cri.log", "syslog.log", "otlp-json.log"])
def test_blocks_of_any_size_give_the_same(name: str, kind: str, size: int, tmp_path: Path, monkeypatch) -> None:
    texts = lines_of_kind(kind, 0, 9).decode().splitlines()
    content = WRAPPERS[name][1](written([*texts, LONG] if kind == "access" else texts))
    whole = analyse_text(tmp_path, content)
    monkeypatch.setattr(lines, "BLOCK_BYTES", size)
    cut = analyse_text(tmp_path, content)
    assert cut.inputs[0].records == whole.inputs[0].records
    if kind == "access":
        assert cut.exchanges.equals(whole.exchanges), told(cut)


# --- what is passed over ----------------------------------------------------------------------------------------------

ESCAPES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "slashes": lambda text: text.replace("/", "\\/"),
    "equals": lambda text: text.replace("=", "\\u003d").replace("&", "\\u0026"),
    "all": lambda text: "".join(f"\\u{ord(c):04x}" if c.isalnum() else c for c in text),
}


def wanted(text: str) -> str:
    """A JSON text without its quotes."""
    return json.dumps(text)[1:-1]


@settings(max_examples=150)
@given(
    target=st.sampled_from(
        [
            "/oauth/token",
            "/cb?code=a&state=b",
            "/auth",
            "/keys",
            "/.well-known/x",
            "/login",
            "/start?client_id=a&redirect_uri=b",
            "/x",
        ]
    ),
    escape=st.sampled_from(sorted(ESCAPES)),
    before=st.text(max_size=8),
)
def test_a_line_that_the_prefilter_lets_pass_is_let_pass_in_its_carrier(target: str, escape: str, before: str) -> None:
    from oauthtrace.sources.access import PREFILTER

    text = LINE.format(1, target, 400).replace("Mozilla/5.0", before.replace("\n", " "))
    passes = pl.Series([text]).str.contains(PREFILTER)[0]
    rows = {
        docker_json_file: f'{{"log":"{ESCAPES[escape](wanted(text))}\\n","stream":"stdout","time":"2026-05-04T10:00:00Z"}}',
        syslog: f"<190>May  4 10:00:00 gw1 nginx: {text}",
        cri: f"2026-05-04T10:00:00Z stdout F {text}",
    }
    for carrier, line in rows.items():
        if "\r" in line or "\x85" in line:
            continue
        import io

        peeled = Peeled(io.BytesIO(f"{line}\n".encode("utf-8", "replace")), [carrier], Setting())
        peeled.narrow(PREFILTER)
        out = io.BufferedReader(peeled).read()
        assert out or not passes, f"{carrier.NAME}: {line}"


# --- what holds for all -----------------------------------------------------------------------------------------------

PARTS = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([wrap(written(INNER[:4])) for _, wrap in WRAPPERS.values()]),
    st.sampled_from(
        [
            b"\n",
            b"{",
            b'{"log":',
            b"__CURSOR=a\n",
            b"MESSAGE\n\x00\x00",
            b"7 <34>1 ",
            b'"resourceLogs":[',
            b'"hits":{"hits":[{',
            b"<1>",
        ]
    ),
)


@settings(max_examples=60)
@given(st.lists(PARTS, max_size=5).map(b"".join), st.sampled_from([None, *sorted(carriers.carriers())]))
def test_any_bytes_are_read_or_refused_and_every_record_is_counted(content: bytes, carrier: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "input"
        file.write_bytes(content)
        (reading,) = analyze([file], input_format=carrier and f"{carrier}>text", key=KEY).inputs
        assert reading.exchanges + reading.rejected + reading.not_oauth == reading.records
        assert reading.not_oauth >= 0
        assert not any(
            "Error:" in reject.reason and "can't be read on" in reject.reason for reject in reading.rejects
        ), reading.rejects


@pytest.mark.parametrize("name", sorted(carriers.carriers()))
def test_a_carrier_declares_itself_and_has_a_sample(name: str) -> None:
    module = carriers.carriers()[name]
    assert name == module.NAME
    assert module.TITLE
    assert "://" in (module.__doc__ or ""), "a carrier's module says where it is defined"
    assert hasattr(module, "peel") or (hasattr(module, "records") and hasattr(module, "is_document"))
    assert name in {carrier for carrier, _ in WRAPPERS.values()}
    assert list((SAMPLES / "formats").glob(f"{name}.*")), f"no sample_logs/formats/{name}.*"


@given(st.binary(max_size=200))
def test_sniffing_gives_a_score_for_any_bytes(head: bytes) -> None:
    assert all(0.0 <= score <= 1.0 for score, _ in carriers.weigh(head))


def test_who_wrote_a_line_tells_the_product(tmp_path: Path) -> None:
    carried = analyse_text(tmp_path, "May  4 10:00:00 gw1 keycloak[7]: token request failed: invalid_client\n" * 2)
    assert carried.exchanges["provider"].to_list() == ["keycloak"] * 2


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize(
    ("name", "carrier"), [(n, c) for n, (c, _) in WRAPPERS.items() if n in SPLIT and n != "lambda.log"]
)
def test_few_lines_tell_a_carrier(name: str, carrier: str, count: int, tmp_path: Path) -> None:
    content = (SAMPLES / "formats" / name).read_bytes().splitlines(keepends=True)
    (reading,) = analyse_text(tmp_path, b"".join(content[:count]), name).inputs
    assert reading.format == f"{carrier}>nginx-combined"


@pytest.mark.parametrize(
    "name",
    [
        "otlp-json.log",
        "cloudwatch.json",
        "cloudwatch.subscription.json",
        "loki.json",
        "ecs-json.search.json",
        "datadog.json",
    ],
)
def test_a_document_of_a_single_long_line(name: str, tmp_path: Path) -> None:
    texts = [LINE.format(n % 60, REFUSED, 403) for n in range(2000)]
    content = WRAPPERS[name][1](written(texts))
    if name == "otlp-json.log":
        records = [json.loads(line)["resourceLogs"][0] for line in content.splitlines()]
        content = json.dumps({"resourceLogs": records}).encode()
    if name == "cloudwatch.json":
        content = json.dumps(json.loads(content)).encode()
    carried = analyse_text(tmp_path, content, name)
    assert (carried.inputs[0].format.endswith(">nginx-combined"), carried.exchanges.height) == (True, 2000)

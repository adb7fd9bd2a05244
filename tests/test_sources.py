"""What comes in is never as it should be: odd captures, broken logs, any bytes. Nothing is lost without being counted."""

from __future__ import annotations

import bz2
import copy
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from conftest import KEY, SAMPLES, analyse_text, har_entry, har_text
from hypothesis import given, settings
from hypothesis import strategies as st

from oauthtrace.analysis import analyze
from oauthtrace.oauth.observe import RawExchange
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, access, formats, lines, weigh
from oauthtrace.sources.gateways import json_lines, nginx_combined
from oauthtrace.sources.times import to_epoch

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED = {
    "at": 0.0,
    "method": "POST",
    "url": "https://id.test/oauth2/token",
    "headers": FORM,
    "body": "grant_type=refresh_token&refresh_token=Zk3vQ9mT1xWc7LrB&client_id=web",
    "status": 400,
    "answer_headers": {"Content-Type": "application/json"},
    "answer": '{"error":"invalid_grant","error_description":"Token is expired"}',
}
ASKED = {
    "at": 1.0,
    "method": "GET",
    "url": "https://id.test/authorize?response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.test%2Fcb&state=abc",
    "status": 400,
}
LINE = '203.0.113.7 - - [04/May/2026:10:00:{:02d} +0000] "GET {} HTTP/1.1" {} 12 "-" "Mozilla/5.0"\n'
AUTHORIZE = "/authorize?response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.test%2Fcb&state=abcdefgh"


def reading_of(folder: Path, content: str | bytes, name: str = "input") -> Reading:
    (reading,) = analyse_text(folder, content, name).inputs
    return reading


def counts(reading: Reading) -> tuple[str, int, int, int]:
    return reading.format, reading.records, reading.exchanges, reading.rejected


# --- HAR ------------------------------------------------------------------------------------------------------------------


def odd_har(change: Callable[[dict], None]) -> str:
    """A HAR of one refused refresh whose entry was changed."""
    entry = copy.deepcopy(har_entry(REFUSED))
    change(entry)
    return json.dumps({"log": {"version": "1.2", "entries": [entry]}})


def _params(entry: dict) -> None:
    entry["request"]["postData"] = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [
            {"name": "grant_type", "value": "refresh_token"},
            {"name": "refresh_token", "value": "Zk3vQ9mT1xWc7LrB"},
        ],
    }


def _base64(entry: dict) -> None:
    entry["response"]["content"] |= {"encoding": "base64", "text": "eyJlcnJvciI6ImludmFsaWRfZ3JhbnQifQ=="}


def _bad_base64(entry: dict) -> None:
    entry["response"]["content"] |= {"encoding": "base64", "text": "%%%"}


def _post_base64(entry: dict) -> None:
    entry["request"]["postData"] |= {
        "encoding": "base64",
        "text": "Z3JhbnRfdHlwZT1yZWZyZXNoX3Rva2VuJnJlZnJlc2hfdG9rZW49YQ==",
    }


def _without(*path: str) -> Callable[[dict], None]:
    def change(entry: dict) -> None:
        for name in path[:-1]:
            entry = entry[name]
        del entry[path[-1]]

    return change


def _header_pairs(entry: dict) -> None:
    entry["request"]["headers"] = [[h["name"], h["value"]] for h in entry["request"]["headers"]]


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (_params, {"grant_type": "refresh_token", "error": "invalid_grant"}),
        (_base64, {"error": "invalid_grant"}),
        (_bad_base64, {"status": 400}),
        (_post_base64, {"grant_type": "refresh_token"}),
        (_header_pairs, {"grant_type": "refresh_token"}),
        (_without("request", "postData"), {"step": "token", "error": "invalid_grant", "grant_type": None}),
        (_without("response", "content"), {"step": "token", "status": 400, "error": None}),
        (_without("response", "headers"), {"error": "invalid_grant"}),
        (_without("response"), {"step": "token", "status": None, "transport_error": "no answer"}),
        (_without("request", "headers"), {"grant_type": "refresh_token"}),
        (_without("startedDateTime"), {"error": "invalid_grant", "time": None}),
        (_without("time"), {"error": "invalid_grant", "duration_ms": None}),
        (
            lambda e: e["response"].update(status=0, _error="net::ERR_CONNECTION_REFUSED"),
            {"status": None, "transport_error": "net::ERR_CONNECTION_REFUSED"},
        ),
        (lambda e: e["request"].update(method="post"), {"method": "POST"}),
    ],
    ids=[
        "params",
        "base64",
        "bad-base64",
        "post-base64",
        "header-pairs",
        "no-post",
        "no-content",
        "no-answer-headers",
        "no-response",
        "no-headers",
        "no-time",
        "no-duration",
        "status-0",
        "lower-case-method",
    ],
)
def test_an_odd_entry_is_read(change: Callable[[dict], None], seen: dict, tmp_path: Path) -> None:
    analysis = analyse_text(tmp_path, odd_har(change), "odd.har")
    assert counts(analysis.inputs[0]) == ("har", 1, 1, 0), analysis.inputs[0].rejects
    row = analysis.exchanges.row(0, named=True)
    assert {name: row[name] for name in seen} == seen


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"request": {}},
        {"request": {"method": "GET"}},
        {"request": {"method": "GET", "url": 5, "headers": 5}, "response": {"status": "x"}},
        "text",
        None,
        5,
        [],
    ],
)
def test_a_broken_entry_is_counted_and_the_next_is_read(broken: object, tmp_path: Path) -> None:
    reading = reading_of(tmp_path, json.dumps({"log": {"entries": [broken, har_entry(REFUSED)]}}))
    assert counts(reading) == ("har", 2, 1, 1)
    assert reading.rejects[0].position == 0


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.999])
def test_a_har_that_is_cut_off_is_read_to_its_last_whole_entry(kept: float, tmp_path: Path) -> None:
    text = har_text([REFUSED] * 20)
    reading = reading_of(tmp_path, text[: int(len(text) * kept)])
    assert reading.format == "har"
    assert reading.exchanges == reading.records - reading.rejected >= 20 * kept - 2
    assert "read up to the last whole entry" in reading.rejects[0].reason


@pytest.mark.parametrize("start", ["\ufeff", "\n\n ", "\ufeff\r\n"])
def test_what_stands_before_a_har_does_not_matter(start: str, tmp_path: Path) -> None:
    assert counts(reading_of(tmp_path, start + har_text([REFUSED]))) == ("har", 1, 1, 0)


@pytest.mark.parametrize(
    "text",
    [
        '{"log": {}}',
        '{"log": {"entries": 5}}',
        '{"log": {"entries": null}}',
        '{"log": {"entries": [',
        '{"log": {"version": "1.2", "creator"',
    ],
)
def test_a_har_without_entries_says_so(text: str, tmp_path: Path) -> None:
    reading = reading_of(tmp_path, text)
    assert (reading.format, reading.exchanges, reading.rejected) == ("har", 0, 1)


def test_half_a_surrogate_pair_in_a_body_is_no_defect(tmp_path: Path) -> None:
    text = har_text(
        [
            {
                **REFUSED,
                "answer": '{"error":"invalid_grant","error_description":"bad \\ud800 byte"}',
                "body": "grant_type=refresh_token&client_id=%FF%FE&refresh_token=a",
            }
        ]
    )
    assert counts(reading_of(tmp_path, text.replace("web", "w\\ud800b"))) == ("har", 1, 1, 0)


BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/147.0.0.0", "Sec-Fetch-Mode": "navigate"}


def test_a_sanitized_har_is_noticed_and_proves_no_absence(tmp_path: Path) -> None:
    pages = [
        {"at": float(n), "method": "GET", "url": f"https://app.test/{n}", "headers": BROWSER, "status": 200}
        for n in range(12)
    ]
    call = {
        "at": 20.0,
        "method": "GET",
        "url": "https://api.test/orders",
        "headers": BROWSER,
        "status": 401,
        "answer_headers": {"WWW-Authenticate": "Bearer"},
    }
    analysis = analyse_text(tmp_path, har_text([*pages, call]))
    assert "sanitized" in analysis.inputs[0].notes[0]
    assert "authorization" not in analysis.exchanges["sees"].to_list()[-1]
    whole = [{**p, "headers": {**BROWSER, "Cookie": "a=b"}} for p in pages]
    analysis = analyse_text(tmp_path, har_text([*whole, call]))
    assert analysis.inputs[0].notes == []
    assert "authorization" in analysis.exchanges["sees"].to_list()[-1]


def test_discovery_in_a_capture_names_its_endpoints(tmp_path: Path) -> None:
    metadata = {
        "issuer": "https://id.test",
        "token_endpoint": "https://id.test/odd/place",
        "authorization_endpoint": "https://id.test/a",
    }
    entries = [
        {"at": 0.0, "method": "POST", "url": "https://id.test/odd/place", "status": 503},
        {
            "at": 1.0,
            "method": "GET",
            "url": "https://id.test/.well-known/openid-configuration",
            "status": 200,
            "answer_headers": {"Content-Type": "application/json"},
            "answer": json.dumps(metadata),
        },
    ]
    assert analyse_text(tmp_path, har_text(entries)).exchanges["step"].to_list() == ["token", "metadata"]


# --- flow files -------------------------------------------------------------------------------------------------------------


def test_a_flow_file_that_is_cut_off_is_read_to_its_last_whole_flow(tmp_path: Path) -> None:
    content = (SAMPLES / "session.mitm").read_bytes()
    reading = reading_of(tmp_path, content[: len(content) // 2])
    assert reading.format == "mitmproxy-flow"
    assert reading.exchanges > 10
    assert reading.rejected == 1
    assert "cut off" in reading.rejects[0].reason


# --- nginx and Apache -------------------------------------------------------------------------------------------------------

NGINX = {
    "combined": (
        '203.0.113.7 - - [04/May/2026:10:00:00 +0200] "GET /cb?code=a HTTP/1.1" 302 5 "https://x.test/" "Mozilla/5.0"',
        {"client_address": "203.0.113.7", "status": 302, "time": 1777881600.0},
    ),
    "common": ('203.0.113.7 - - [04/May/2026:10:00:00 +0000] "GET /cb?code=a HTTP/1.1" 302 5', {"status": 302}),
    "IPv6": (
        '2001:db8::7 - - [04/May/2026:10:00:00 +0000] "GET /cb HTTP/2.0" 400 5 "-" "-"',
        {"client_address": "2001:db8::7"},
    ),
    "user": (
        '1.2.3.4 - web-app [04/May/2026:10:00:00 +0000] "POST /token HTTP/1.1" 401 5 "-" "-"',
        {"user": "web-app", "method": "POST"},
    ),
    "user with blanks": (
        '1.2.3.4 - web app [04/May/2026:10:00:00 +0000] "POST /token HTTP/1.1" 401 5 "-" "-"',
        {"user": "web app"},
    ),
    "vhost_combined": (
        'id.test:443 1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /token HTTP/1.1" 200 5 "-" "-"',
        {"url": "https://id.test/token"},
    ),
    "vhost with a port": (
        'id.test:8443 1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /token HTTP/1.1" 200 5 "-" "-"',
        {"url": "https://id.test:8443/token"},
    ),
    "escaped quotes": (
        r'1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /cb?error=\x22x\x22 HTTP/1.1" 400 5 "-" "say \"hi\""',
        {"url": '/cb?error="x"'},
    ),
    "absolute URL": (
        '1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET http://id.test/token HTTP/1.1" 200 5 "-" "-"',
        {"url": "http://id.test/token"},
    ),
    "tail": (
        '1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /token HTTP/1.1" 200 5 "-" "-" "1.1.1.1" rt=0.01 uct=0.0',
        {"status": 200},
    ),
    "no bytes": ('1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /token HTTP/1.1" 304 - "-" "-"', {"status": 304}),
    "client gave up": (
        '1.2.3.4 - - [04/May/2026:10:00:00 +0000] "POST /token HTTP/1.1" 499 0 "-" "-"',
        {"facts": ("client left before the answer",)},
    ),
    "HTTP/0.9": ('1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /token" 400 5 "-" "-"', {"method": "GET"}),
}


@pytest.mark.parametrize(("line", "seen"), NGINX.values(), ids=NGINX.keys())
def test_a_line_of_an_access_log(line: str, seen: dict) -> None:
    raw = nginx_combined.raw_of(line)
    assert isinstance(raw, RawExchange), raw
    assert {name: getattr(raw, name) for name in seen} == seen


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not a combined access log line"),
        ("hello", "not a combined access log line"),
        ('1.2.3.4 - - [04/May/2026:10:00:00 +0000] "GET /cut', "not a combined access log line"),
        ('1.2.3.4 - - [04/May/2026:10:00:00 +0000] "-" 400 0 "-" "-"', "no request line"),
        ('1.2.3.4 - - [04/May/2026:10:00:00 +0000] "" 400 0 "-" "-"', "no request line"),
        (r'1.2.3.4 - - [04/May/2026:10:00:00 +0000] "\x16\x03\x01" 400 0 "-" "-"', "request line is not HTTP"),
    ],
)
def test_why_a_line_is_no_exchange(line: str, reason: str) -> None:
    assert nginx_combined.raw_of(line) == reason


# --- JSON lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "members"),
    [
        ('{"status":200,"a":}', {"status": 200, "a": None}),
        ('{"status":200,"rt":-}', {"status": 200, "rt": None}),
        ('{"status":502, "upstream_status":502, 200}', {"status": 502, "upstream_status": "502, 200"}),
        (r'{"uri":"/cb?e=\x22a\x22"}', {"uri": '/cb?e="a"'}),
        ('2026-05-04T10:00:00Z nginx: {"status":200}', {"status": 200}),
        ('{"cut":"off', None),
        ("[1,2]", None),
        ("no JSON", None),
        ("", None),
    ],
)
def test_json_as_nginx_writes_it(line: str, members: dict | None) -> None:
    assert json_lines.parse_line(line) == members


ENTRIES = {
    "nginx": {
        "time_iso8601": "2026-05-04T10:00:00+00:00",
        "request": "POST /oauth2/token HTTP/1.1",
        "status": "400",
        "remote_addr": "1.2.3.4",
        "http_user_agent": "x",
    },
    "Caddy": {
        "ts": 1777888800.5,
        "request": {"remote_ip": "1.2.3.4", "method": "POST", "host": "id.test", "uri": "/oauth2/token"},
        "status": 400,
        "duration": 0.01,
    },
    "Traefik": {
        "time": "2026-05-04T10:00:00Z",
        "RequestMethod": "POST",
        "RequestHost": "id.test",
        "RequestPath": "/oauth2/token",
        "DownstreamStatus": 400,
        "ClientHost": "1.2.3.4",
    },
    "Envoy": {
        "start_time": "2026-05-04T10:00:00.123Z",
        "method": "POST",
        "path": "/oauth2/token",
        "response_code": 400,
        "authority": "id.test",
        "response_flags": "-",
    },
    "AWS API Gateway": {
        "requestTime": "04/May/2026:10:00:00 +0000",
        "httpMethod": "POST",
        "path": "/oauth2/token",
        "status": "400",
        "ip": "1.2.3.4",
    },
    "Cloudflare": {
        "EdgeStartTimestamp": 1,
        "Datetime": "2026-05-04T10:00:00Z",
        "ClientRequestMethod": "x",
        "method": "POST",
        "ClientRequestURI": "x",
        "uri": "/oauth2/token",
        "EdgeResponseStatus": 1,
        "status": 400,
    },
    "milliseconds": {
        "timestamp": 1777888800000,
        "method": "POST",
        "url": "https://id.test/oauth2/token",
        "statusCode": 400,
    },
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES.keys())
def test_names_that_products_give_the_same_things(entry: dict) -> None:
    raw = json_lines.raw_of(entry)
    assert isinstance(raw, RawExchange), raw
    assert (raw.method, raw.url.endswith("/oauth2/token"), raw.status) == ("POST", True, 400)
    assert raw.time is not None
    assert 1777888800 <= raw.time < 1777888801


@pytest.mark.parametrize(
    ("value", "epoch"),
    [("2026-05-04T10:00:00Z", 1777888800), ("2026-05-04T12:00:00+02:00", 1777888800), ("2026-05-04 10:00:00,5", 1777888800.5), ("04/May/2026:10:00:00 +0000", 1777888800), (1777888800, 1777888800), ("1777888800.5", 1777888800.5),
     (1777888800000, 1777888800), (1777888800000000, 1777888800), (1777888800000000000, 1777888800), ("yesterday", None), ("", None), (True, None), (None, None), ([], None)],
)  # fmt: skip
def test_times_as_logs_write_them(value: object, epoch: float | None) -> None:
    assert to_epoch(value) == epoch


# --- lines, whatever their format -----------------------------------------------------------------------------------------------


def access_log(count: int = 30) -> str:
    targets = (AUTHORIZE, "/products/1", "/cb?code=abc&state=abcdefgh")
    return "".join(LINE.format(n % 60, targets[n % 3], 400) for n in range(count))


@pytest.mark.parametrize(
    ("name", "pack"),
    [("plain", bytes), ("gz", gzip.compress), ("two gz in one", lambda b: gzip.compress(b[:999]) + gzip.compress(b[999:])), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstandard.compress),
     ("two zst in one", lambda b: zstandard.compress(b[:999]) + zstandard.compress(b[999:])), ("CRLF", lambda b: b.replace(b"\n", b"\r\n")), ("BOM", lambda b: b"\xef\xbb\xbf" + b), ("no newline at the end", bytes.rstrip)],
)  # fmt: skip
def test_how_it_is_packed_changes_nothing(name: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plain = access_log().encode()
    analysis = analyse_text(tmp_path, pack(plain), f"access.log.{name.rsplit(maxsplit=1)[-1]}")
    assert counts(analysis.inputs[0]) == ("nginx-combined", 30, 20, 0)
    assert analysis.exchanges["source_position"].to_list() == [n for n in range(1, 31) if n % 3 != 2]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_packed_file_that_is_cut_off_is_read_as_far_as_it_goes(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    packed = pack("".join(LINE.format(n % 60, f"{AUTHORIZE}{n * 7919 % 100003}", 400) for n in range(20_000)).encode())
    reading = reading_of(tmp_path, packed[: len(packed) - 200])
    assert reading.rejected >= 1
    assert reading.rejects[-1].reason
    assert reading.exchanges > 0 or pack in (bz2.compress, lzma.compress)


UNPACK = {"gz": lambda: zlib.decompressobj(wbits=31), "zst": lambda: zstandard.ZstdDecompressor().decompressobj()}


@pytest.mark.parametrize(("name", "pack"), [("gz", gzip.compress), ("zst", zstandard.compress)])
def test_every_line_before_a_cut_is_read(name: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    packed = pack("".join(LINE.format(n % 60, f"{AUTHORIZE}{n * 7919 % 100003}", 400) for n in range(20_000)).encode())
    cut = packed[: len(packed) * 9 // 10]
    whole_lines = UNPACK[name]().decompress(cut).count(b"\n")
    reading = reading_of(tmp_path, cut)
    assert whole_lines > 10_000
    assert reading.exchanges >= whole_lines


@pytest.mark.parametrize(("behind", "rejected"), [(b"garbage", 1), (b"\0" * 512, 0)])
def test_what_stands_behind_packed_lines_costs_none_of_them(behind: bytes, rejected: int, tmp_path: Path) -> None:
    reading = reading_of(tmp_path, gzip.compress(access_log(3000).encode()) + behind)
    assert (reading.exchanges, reading.rejected) == (2000, rejected)


def test_line_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    text = "\n\n" + access_log(1) + "\n \r\n" + access_log(1) + "\n" + access_log(1) * 20
    positions = analyse_text(tmp_path, text).exchanges["source_position"].to_list()
    assert positions[:3] == [3, 6, 8]


def test_a_line_of_ten_megabytes_is_counted_and_passed_over(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, access_log(30) + "x" * 10_000_000 + "oauth\n" + access_log(30))
    assert counts(reading) == ("nginx-combined", 61, 40, 1)
    assert reading.rejects[0].position == 31
    assert "longer than" in reading.rejects[0].reason or "more than" in reading.rejects[0].reason
    assert len(reading.rejects[0].excerpt) < 400


def test_a_text_of_one_endless_line_needs_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1 << 16)
    sizes = [len(block) for block in lines.blocks((tmp_path / "x").open("w+b"))]
    assert sizes == []
    file = tmp_path / "long"
    file.write_bytes(b"token " * 4_000_000 + b"\nshort\n")
    with file.open("rb") as stream:
        assert max(len(block) for block in lines.blocks(stream)) < 5_000_000


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_blocks_of_any_size_give_the_same(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = access_log(12) + "\nbroken oauth line\n" + access_log(3)
    whole = analyse_text(tmp_path, text)
    monkeypatch.setattr(lines, "BLOCK_BYTES", size)
    cut = analyse_text(tmp_path, text)
    assert counts(cut.inputs[0]) == counts(whole.inputs[0])
    assert cut.exchanges.equals(whole.exchanges)


def test_bytes_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    content = (
        access_log(30).encode()
        + LINE.format(1, "/cb?state=abcdefgh&code=abc&x=\xe9", 400).encode("latin-1")
        + b"\x01\x02\xff oauth\n"
    )
    reading = reading_of(tmp_path, content)
    assert counts(reading) == ("nginx-combined", 32, 21, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (bytes(range(256)) * 40, "not text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200), "not text"),
        (b"SQLite format 3\0" + bytes(100), "not text"),
    ],
)
def test_what_is_nothing_to_read_is_said(content: bytes, said: str, tmp_path: Path) -> None:
    reading = reading_of(tmp_path, content)
    assert (reading.format, reading.exchanges) == ("unknown", 0)
    assert said in " ".join([*reading.notes, *(r.reason for r in reading.rejects)])


def test_a_mixed_folder_is_read_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_text(har_text([REFUSED]))
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(access_log().encode()))
    (tmp_path / "c.bin").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.log").write_text("2026-05-04T10:00:00Z ERROR oauth token request failed: invalid_client\n")
    (tmp_path / "sub" / ".hidden").write_text("no")
    analysis = analyze([tmp_path], key=KEY)
    assert {Path(r.file).name: r.format for r in analysis.inputs} == {
        "a.har": "har",
        "b.log.gz": "nginx-combined",
        "c.bin": "unknown",
        "d.log": "text",
    }


# --- what holds for all ---------------------------------------------------------------------------------------------------------

SNIPPETS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [access_log(4).encode(), har_text([REFUSED, ASKED]).encode(), (SAMPLES / "session.mitm").read_bytes()[:3000], json.dumps(ENTRIES["nginx"]).encode() + b"\n", b"ERROR oauth invalid_grant code=abc\n", b'{"log":{"entries":[', b"\xef\xbb\xbf", b"\n", b"\r\n", b"\0", b"4:", gzip.compress(b"x"), b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00"]
    ),
)  # fmt: skip


@given(st.lists(SNIPPETS, max_size=6).map(b"".join))
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused_and_never_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("any") / "input"
    file.write_bytes(content)
    analysis = analyze([file], key=KEY)
    (reading,) = analysis.inputs
    assert (
        reading.exchanges == analysis.exchanges.height
        or analysis.exchanges["id"].n_unique() == analysis.exchanges.height
    )
    assert 0 <= reading.exchanges <= max(reading.records, 0)


@given(st.binary(max_size=300))
def test_sniffing_gives_a_score_for_any_bytes(head: bytes) -> None:
    assert all(0.0 <= score <= 1.0 for score, _ in weigh(head))


@pytest.mark.parametrize("name", ["nginx-combined", "json-access"])
@pytest.mark.parametrize(
    "content",
    [
        access_log(9),
        "token " * 3 + "\n" + access_log(3),
        "\n".join(json.dumps(e) for e in ENTRIES.values()),
        '{"token": broken\n' + json.dumps(ENTRIES["nginx"]),
    ],
)
def test_every_record_is_accepted_rejected_or_not_oauth(name: str, content: str, tmp_path: Path) -> None:
    """With ``--input-format``, so that each reader meets what is not its own."""
    file = tmp_path / "input"
    file.write_text(content)
    (reading,) = analyze([file], input_format=name, key=KEY).inputs
    other = sum(reading.hosts.values())
    passed_over = sum(not _passes(line) for line in content.splitlines())
    assert reading.exchanges + reading.rejected + other + passed_over == reading.records == len(content.splitlines())


def _passes(line: str) -> bool:
    import re

    from oauthtrace.oauth.endpoints import CANDIDATE

    return re.search(CANDIDATE, line, re.IGNORECASE) is not None


@pytest.mark.parametrize(("name", "module"), formats().items(), ids=formats().keys())
def test_a_format_declares_itself(name: str, module: object) -> None:
    assert name == module.NAME  # type: ignore[attr-defined]
    assert module.TITLE  # type: ignore[attr-defined]
    assert set(module.SEES) <= {"query", "headers", "authorization", "body", "answer", "location"}  # type: ignore[attr-defined]
    assert module.__doc__, "a format's module says where its definition is"


@pytest.mark.parametrize("start", [b"\x1f\x8b\x00\x00", b"\x28\xb5\x2f\xfd", b"x\x9c", b"x\x01"])
def test_lines_that_begin_like_compressed_data_are_lines(start: bytes) -> None:
    frame = lines.frame_of(start + b" first\n\nthird\n")
    assert frame.height == 3
    assert frame["line"].is_null().to_list() == [False, True, False]
    assert frame["line"][0].endswith(" first")


def test_lines_that_tell_of_the_same_differ_by_when_from_where_and_by_whom(tmp_path: Path) -> None:
    line = '{} - {} [04/May/2026:10:00:0{} +0000] "POST /oauth2/token HTTP/1.1" 401 12 "-" "agent"\n'
    told = [("203.0.113.1", "web", 1), ("203.0.113.2", "web", 2), ("203.0.113.2", "app", 3), ("203.0.113.1", "web", 4)]
    exchanges = analyse_text(tmp_path, "".join(line.format(*one) for one in told)).exchanges
    found = exchanges.select("client_address", "client_id", pl.col("time").dt.second().cast(pl.Int64)).rows()
    assert found == told
    assert exchanges["id"].n_unique() == len(told)


def test_rows_that_come_again_are_kept_in_bounded_number_and_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_KNOWN", 3)
    known: access.Known = {}
    reading, secret = Reading("a.log", Redactor(KEY)), "Zk3vQ9mT1xWc7LrB5nHs8yPd2fJg6uAe"
    for number in range(10):
        access.row_of(RawExchange("POST", f"/oauth2/{number}/token", status=401), reading, known)
    assert 0 < len(known) <= 3
    headers = {"authorization": f"Bearer {secret}"}, {"referer": f"https://app.test/cb?code={secret}"}
    for sent in headers:
        assert access.row_of(RawExchange("POST", "/oauth2/token", request_headers=sent, status=401), reading, known)
    assert secret not in str(known)
    assert secret not in repr(reading)

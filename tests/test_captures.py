"""Captures: requests and answers with their bodies, as browsers, proxies and API clients write them, whole and broken."""

from __future__ import annotations

import base64
import copy
import gzip
import importlib
import io
import json
import pkgutil
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import zstandard
from conftest import KEY, SAMPLES, analyse_text, har_entry, told
from hypothesis import given
from hypothesis import strategies as st

from oauthtrace.analysis import analyze
from oauthtrace.exchange import frame
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, captures, weigh
from oauthtrace.sources.captures import burp, exchanges, postman

FORMATS = {
    form.NAME: form
    for found in pkgutil.iter_modules(captures.__path__, f"{captures.__name__}.")
    if hasattr(form := importlib.import_module(found.name), "sniff")
}
SAMPLE = {file.stem: file for file in sorted((SAMPLES / "formats").iterdir()) if file.stem in FORMATS}


def rows_of(name: str, data: bytes | str) -> tuple[list[dict[str, Any]], Reading]:
    reading = Reading("capture", Redactor(KEY), name)
    raw = data.encode() if isinstance(data, str) else data
    return list(FORMATS[name].read(io.BytesIO(raw), reading)), reading


def row_of(name: str, data: bytes | str) -> dict[str, Any]:
    (row,), reading = rows_of(name, data)
    assert reading.rejected == 0, reading.rejects
    return row


# --- what the samples tell ---------------------------------------------------------------------------------------------------


def test_every_format_has_its_sample() -> None:
    assert SAMPLE.keys() == FORMATS.keys()


CAUSES: dict[str, set[str]] = {
    "burp": {"client/wrong-secret", "server/unreachable", "redirect-uri/scheme"},
    "curl-trace-ascii": {"client/wrong-secret"},
    "curl-v": {"client/wrong-secret", "server/unreachable"},
    "har": {"client/wrong-secret", "server/unreachable", "redirect-uri/scheme"},
    "mitmproxy-flow": {"client/wrong-secret", "server/unreachable", "redirect-uri/scheme"},
    "netlog": {"redirect-uri/scheme", "server/unreachable"},
    "newman": {"client/wrong-secret", "server/unreachable"},
    "postman-collection": {"client/wrong-secret", "server/unreachable"},
    "saz": {"client/wrong-secret", "server/unreachable", "redirect-uri/scheme"},
}
"""What each sample has to tell at least: the same calls, seen through each format."""


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_tells_its_causes(name: str) -> None:
    analysis = analyze([SAMPLE[name]], key=KEY)
    (reading,) = analysis.inputs
    assert (reading.format, reading.rejected) == (name, 0), reading.rejects[:3]
    assert set(analysis.failures["cause"]) >= CAUSES[name], told(analysis)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("saz", "postman-collection")])
def test_a_capture_that_is_cut_off_is_read_as_far_as_it_goes(name: str, kept: float) -> None:
    data = SAMPLE[name].read_bytes()
    whole, _ = rows_of(name, data)
    rows, reading = rows_of(name, data[: int(len(data) * kept)])
    assert (kept > 0.5) <= len(rows) <= len(whole)
    assert name.startswith("curl") or reading.rejected == 1
    assert [row["url"] for row in rows[:-1]] == [row["url"] for row in whole[: max(len(rows) - 1, 0)]]


@pytest.mark.parametrize("kept", [1, 3, 20, None])
@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_is_told_by_its_first_lines(name: str, kept: int | None) -> None:
    lines = SAMPLE[name].read_bytes().splitlines(keepends=True)
    if kept and not name.startswith("curl"):
        pytest.skip("not a format of lines")
    score, best = weigh(b"".join(lines[1 : 1 + kept] if kept else lines)[:65_536])[0]
    assert best == name
    assert score >= 0.5


OTHER = {
    "JSON": '{"constants": [1, 2], "events": []}',
    "a collection of other things": '{"collection": {"id": 1}, "total": 3}',
    "XML": '<?xml version="1.0"?><items><item>1</item></items>',
    "a zip": "PK\x03\x04 and other things",
    "Markdown": "* one\n* two\n> a quotation\n> of two lines\n",
    "e-mail": "From: ada@acme.test\nTo: bob@acme.test\n\n> hello\n",
    "HTTP in prose": "The server said HTTP/1.1 401 to GET /x.\n",
    "a hex dump": "0000: 48 65 6c 6c 6f\n0010: 48 65 6c 6c 6f\n",
}


@pytest.mark.parametrize("what", OTHER)
def test_what_is_no_capture_is_not_taken_for_one(what: str) -> None:
    assert {name: s for name, form in FORMATS.items() if (s := form.sniff(OTHER[what].encode("latin-1"))) >= 0.5} == {}


@given(st.binary(max_size=200), st.integers(0, 30_000), st.sampled_from(sorted(set(FORMATS) - {"mitmproxy-flow"})))
def test_any_bytes_are_read(junk: bytes, place: int, name: str) -> None:
    sample = SAMPLE[name].read_bytes()
    for data in (junk, sample[:place] + junk + sample[place + len(junk) :]):
        FORMATS[name].sniff(data)
        rows, reading = rows_of(name, data)
        assert len(rows) == reading.exchanges <= reading.records
        frame(rows)


# --- HTTP messages -------------------------------------------------------------------------------------------------------------

PLAIN = '{"error":"invalid_grant"}'
CHUNKS = b"7\r\n" + PLAIN[:7].encode() + b"\r\n" + f"{len(PLAIN) - 7:x};x=1\r\n{PLAIN[7:]}\r\n0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (PLAIN.encode(), {}, PLAIN),
        (CHUNKS, {"transfer-encoding": "chunked"}, PLAIN),
        (PLAIN.encode(), {"transfer-encoding": "chunked"}, PLAIN),
        (gzip.compress(PLAIN.encode()), {"content-encoding": "gzip"}, PLAIN),
        (zlib.compress(PLAIN.encode()), {"content-encoding": "deflate"}, PLAIN),
        (zlib.compress(PLAIN.encode())[2:-4], {"content-encoding": "deflate"}, PLAIN),
        (zstandard.compress(PLAIN.encode()), {"content-encoding": "zstd"}, PLAIN),
        (PLAIN.encode(), {"content-encoding": "gzip"}, PLAIN),
        (b"\x1f\x8b broken", {"content-encoding": "gzip"}, None),
        (PLAIN.encode(), {"content-encoding": "own"}, None),
        ("é".encode("latin-1"), {"content-type": "text/plain; charset=iso-8859-1"}, "é"),
        ("é".encode(), {"content-type": "text/plain; charset=nobody-knows"}, "é"),
        (b"\x89PNG", {"content-type": "image/png"}, None),
        (b"x" * (exchanges.MOST_BODY + 1), {"content-type": "text/html"}, None),
        (gzip.compress(b"x" * (exchanges.MOST_BODY * 3)), {"content-encoding": "gzip"}, None),
    ],
)
def test_a_body_is_unpacked(body: bytes, headers: dict[str, str], expected: str | None) -> None:
    assert exchanges.body_text(body, headers) == expected


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_a_message_is_split(ending: str) -> None:
    message = ending.join(["POST /token HTTP/1.1", "Host: id.test", "X-A:  b ", "", "a=1", "", "b=2"])
    start, headers, body = exchanges.split_message(message.encode())
    assert (start, headers) == ("POST /token HTTP/1.1", [("Host", "id.test"), ("X-A", "b")])
    assert body.decode() == ending.join(["a=1", "", "b=2"])


# --- HAR -----------------------------------------------------------------------------------------------------------------------

REFUSED = {
    "at": 0.0, "method": "POST", "url": "https://id.test/oauth2/token", "status": 401,
    "headers": {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Mozilla/5.0 Chrome/140.0.0.0 Safari/537.36"},
    "body": "grant_type=client_credentials", "answer_headers": {"Content-Type": "application/json"}, "answer": '{"error":"invalid_client"}',
}  # fmt: skip


def har(change: Callable[[dict], None], creator: str = "tests") -> str:
    entry = copy.deepcopy(har_entry(REFUSED))
    change(entry)
    return json.dumps({"log": {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": [entry]}})


def _set(place: str, value: Any) -> Callable[[dict], None]:
    def change(entry: dict) -> None:
        *way, last = place.split(".")
        for name in way:
            entry = entry[name]
        if value is None:
            entry.pop(last, None)
        else:
            entry[last] = value

    return change


def _params(value: str, length: int) -> Callable[[dict], None]:
    def change(entry: dict) -> None:
        entry["request"]["headers"].append({"name": "content-length", "value": str(length)})
        entry["request"]["postData"] = {
            "mimeType": "application/x-www-form-urlencoded",
            "params": [{"name": "grant_type", "value": "authorization_code"}, {"name": "redirect_uri", "value": value}],
        }

    return change


VARIANTS: list[tuple[str, Callable[[dict], None], dict[str, Any]]] = [
    ("Charles: base64 of a text", lambda e: e["response"]["content"].update(text=base64.b64encode(b'{"error":"invalid_client"}').decode(), encoding="base64"), {"error": "invalid_client"}),
    ("base64 that is none", lambda e: e["response"]["content"].update(text="{%", encoding="base64"), {"status": 401}),
    ("Firefox: pairs decoded", _params("https://app.test/cb", 88), {"redirect_uri": "https://app.test/cb"}),
    ("Insomnia: pairs as sent", _params("https%3A%2F%2Fapp.test%2Fcb", len("grant_type=authorization_code&redirect_uri=https%3A%2F%2Fapp.test%2Fcb")), {"redirect_uri": "https://app.test/cb", "facts": "-encoded twice redirect_uri"}),
    ("no postData", _set("request.postData", None), {"step": "token"}),
    ("postData null", lambda e: e["request"].update(postData=None), {"step": "token"}),
    ("content evicted", lambda e: e["response"].update(content={"size": 120, "mimeType": "application/json"}), {"sees": "-answer"}),
    ("size -1, no text", lambda e: e["response"].update(content={"size": -1, "mimeType": ""}), {"sees": "-answer"}),
    ("empty body", lambda e: e["response"].update(content={"size": 0, "mimeType": ""}), {"sees": "+answer"}),
    ("Chrome: blocked", lambda e: e["response"].update(status=0, _error="net::ERR_CONNECTION_REFUSED", content={"size": 0}), {"status": None, "transport_error": "net::ERR_CONNECTION_REFUSED"}),
    ("Firefox: no answer", _set("response", None), {"status": None, "transport_error": "no answer"}),
    ("status as text", _set("response.status", "401"), {"status": 401}),
    ("time null", lambda e: e.update(time=None), {"duration_ms": None}),
    ("no start", _set("startedDateTime", None), {"time": None}),
    ("HTTP/2 pseudo headers", lambda e: e["request"]["headers"].append({"name": ":authority", "value": "id.test"}), {"host": "id.test"}),
    ("Slack: headers as pairs", lambda e: e["request"].update(headers=[["Authorization", "Basic d2ViOnNlY3JldA=="]]), {"client_id": "web", "auth_method": "client_secret_basic"}),
    ("no headers at all", lambda e: e["request"].pop("headers"), {"step": "token"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [pytest.param(c, x, id=name) for name, c, x in VARIANTS])
def test_a_har_of_another_make_is_read(change: Callable[[dict], None], expected: dict[str, Any]) -> None:
    row = row_of("har", har(change))
    for column, value in expected.items():
        if isinstance(value, str) and value[0] in "+-" and isinstance(row[column], list):
            assert (value[1:] in row[column]) == (value[0] == "+"), row[column]
        else:
            assert row[column] == value, column


def test_a_har_of_fiddler_begins_with_a_bom() -> None:
    assert weigh(f"\ufeff{har(lambda _: None)}".encode())[0] == (1.0, "har")
    assert row_of("har", f"\ufeff{har(lambda _: None)}")["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("creator", "change", "sanitized"),
    [
        ("WebInspector", lambda _: None, True),
        ("WebInspector", _set("request.headers", [{"name": "Cookie", "value": "a=b"}]), False),
        ("WebInspector", lambda e: e["response"]["headers"].append({"name": "Set-Cookie", "value": "a=b"}), False),
        (
            "WebInspector",
            _set("request.headers", [{"name": "User-Agent", "value": "Mozilla/5.0 Chrome/120.0.0.0"}]),
            False,
        ),
        ("Firefox", lambda _: None, False),
    ],
)
def test_credentials_missing_in_a_sanitized_har_prove_nothing(
    creator: str, change: Callable[[dict], None], sanitized: bool
) -> None:
    rows, reading = rows_of("har", har(change, creator))
    assert ("authorization" not in rows[0]["sees"]) == sanitized == bool(reading.notes)
    assert rows[0].get("auth_method") == (None if sanitized else "none")


# --- Postman and Newman --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://id.test/token?a=b", "https://id.test/token?a=b"),
        ({"raw": "https://id.test/x"}, "https://id.test/x"),
        ({"protocol": "http", "host": ["id", "test"], "port": "8080", "path": ["oauth", "token"]}, "http://id.test:8080/oauth/token"),
        ({"host": "id.test", "path": "/cb", "query": [{"key": "a", "value": "b c"}, {"key": "no", "value": "1", "disabled": True}], "hash": "x"}, "https://id.test/cb?a=b%20c#x"),
        ({"host": ["id", "test"], "query": [{"key": "redirect_uri", "value": "https%3A%2F%2Fapp.test"}]}, "https://id.test/?redirect_uri=https%3A%2F%2Fapp.test"),
        ({"host": ["id", "test"], "path": None, "query": [{"key": "flag", "value": None}]}, "https://id.test/?flag="),
        (None, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_url_in_parts_is_put_together(url: Any, expected: str) -> None:
    assert postman.url_of(url) == expected


FORM = [
    {"key": "grant_type", "value": "client_credentials"},
    {"key": "scope", "value": "a b"},
    {"key": "x", "value": "1", "disabled": True},
]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"body": {"mode": "urlencoded", "urlencoded": FORM}}, {"grant_type": "client_credentials", "scope": "a b"}),
        ({"body": {"mode": "formdata", "formdata": FORM}}, {"grant_type": "client_credentials", "scope": "a b", "facts": "multipart body"}),
        ({"body": {"mode": "raw", "raw": '{"grant_type":"client_credentials"}'}, "header": [{"key": "Content-Type", "value": "application/json"}]}, {"grant_type": "client_credentials", "facts": "json body"}),
        ({"body": {"mode": "raw", "raw": "grant_type=client_credentials"}, "header": "Content-Type: application/x-www-form-urlencoded\n"}, {"grant_type": "client_credentials"}),
        ({"body": {"mode": "graphql", "graphql": {"query": "{}"}}}, {"grant_type": None}),
        ({"auth": {"type": "basic", "basic": [{"key": "username", "value": "web"}, {"key": "password", "value": "s"}]}}, {"client_id": "web", "auth_method": "client_secret_basic"}),
        ({"auth": {"type": "basic", "basic": {"username": "web", "password": "s"}}}, {"client_id": "web"}),
        ({"header": [{"key": "Authorization", "value": "Basic d2ViOnM="}], "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "x"}]}}, {"client_id": "web"}),
    ],
)  # fmt: skip
def test_a_request_of_postman_is_read(request_: dict[str, Any], expected: dict[str, Any]) -> None:
    execution = {
        "request": {"method": "POST", "url": "https://id.test/oauth2/token", **request_},
        "response": {"code": 400},
    }
    row = row_of(
        "newman",
        json.dumps({"collection": {}, "run": {"timings": {"started": 1777888800000}, "executions": [execution]}}),
    )
    for column, value in expected.items():
        assert (value in row[column]) if column == "facts" else row.get(column) == value, (column, row.get(column))


def test_a_request_that_got_no_answer_is_told() -> None:
    execution = {
        "request": {"method": "POST", "url": "https://id.test/token"},
        "requestError": {"code": "ECONNREFUSED", "syscall": "connect"},
    }
    row = row_of("newman", json.dumps({"collection": {}, "run": {"executions": [execution]}}))
    assert (row["status"], row["transport_error"], row["time"]) == (None, "ECONNREFUSED connect", None)


@pytest.mark.parametrize("broken", [{"request": None}, {"request": {}}, 7, {"request": {"url": 5}}])
def test_an_execution_that_is_none_is_rejected(broken: Any) -> None:
    rows, reading = rows_of("newman", json.dumps({"collection": {}, "run": {"executions": [broken]}}))
    assert (rows, reading.records, reading.rejected) == ([], 1, 1)


# --- Burp ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("Mon May 04 10:00:00 UTC 2026", UTC, 1777888800),
        ("Mon May 04 12:00:00 CEST 2026", UTC, 1777888800),
        ("Mon May 04 05:00:00 EST 2026", UTC, 1777888800),
        ("Mon May 04 15:30:00 IST 2026", UTC, 1777888800),
        ("Mon May 04 12:00:00 GMT+02:00 2026", UTC, 1777888800),
        ("Mon May 04 12:00:00 XYZT 2026", timezone(timedelta(hours=2)), 1777888800),
        ("yesterday", UTC, None),
        ("Mon May 44 10:00:00 UTC 2026", UTC, None),
    ],
)
def test_a_time_of_java_is_read(text: str, zone: timezone, expected: float | None) -> None:
    assert burp.time_of(text, zone) == expected


ITEM = (
    "<item><time>Mon May 04 10:00:00 UTC 2026</time><url>https://id.test/oauth2/token</url><method>POST</method>"
    '<request base64="false"><![CDATA[POST /oauth2/token HTTP/1.1\nHost: id.test\n\ngrant_type=password]]></request><status/>{}</item>'
)


def items(*contents: str, before: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{before}<items burpVersion="2026.1">{"".join(ITEM.format(c) for c in contents)}</items>'
    )


def test_an_item_without_answer_is_told() -> None:
    row = row_of("burp", items('<response base64="true"></response>'))
    assert (row["status"], row["transport_error"]) == (None, "no answer")


def test_a_document_that_declares_an_entity_is_refused() -> None:
    bomb = '<!DOCTYPE items [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    rows, reading = rows_of("burp", items("<comment>&b;</comment>", before=bomb))
    assert (rows, reading.rejected) == ([], 1)
    assert "entity" in reading.rejects[0].reason


# --- Fiddler -------------------------------------------------------------------------------------------------------------------

ASKED = b"POST https://id.test/oauth2/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type=password"
NONE_ANSWERED = b"HTTP/1.1 502 Fiddler - Connection Failed\r\nContent-Type: text/html\r\n\r\n[Fiddler] The connection to 'id.test' failed. <br />Refused"


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"raw/1_c.txt": ASKED, "raw/1_s.txt": b"", "raw/1_m.xml": b""}, {"status": None, "transport_error": "no answer", "time": None}),
        ({"raw\\01_c.txt": ASKED, "raw\\01_s.txt": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, {"status": 400, "url": "https://id.test/oauth2/token"}),
        ({"raw/1_c.txt": ASKED, "raw/1_s.txt": NONE_ANSWERED}, {"status": None, "transport_error": "The connection to 'id.test' failed."}),
        ({"raw/1_c.txt": ASKED.replace(b"https://id.test", b"").replace(b"\r\n\r\n", b"\r\nHost: id.test\r\n\r\n"), "raw/1_s.txt": b""}, {"url": "https://id.test/oauth2/token"}),
        ({"raw/1_c.txt": ASKED, "raw/1_m.xml": b'<Session><SessionTimers ClientBeginRequest="2026-05-04T12:00:00.1234567+02:00" ServerDoneResponse="0001-01-01T00:00:00"/></Session>'}, {"duration_ms": None, "status": None}),
    ],
)  # fmt: skip
def test_a_session_of_fiddler_is_read(members: dict[str, bytes], expected: dict[str, Any]) -> None:
    data = archive(members)
    assert FORMATS["saz"].sniff(data) == 1.0
    row = row_of("saz", data)
    assert {name: row[name] for name in expected} == expected


def test_an_archive_with_a_password_is_told() -> None:
    data = bytearray(archive({"raw/1_c.txt": ASKED}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1  # the bit that says: encrypted
    rows, reading = rows_of("saz", bytes(data))
    assert (rows, reading.rejects[0].reason) == ([], "the archive has a password: save it without one")


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04", archive({"raw/readme.txt": b"x"}), archive({"raw/1_c.txt": ASKED})[:60]]
)
def test_an_archive_that_is_none_is_rejected(data: bytes) -> None:
    rows, reading = rows_of("saz", data)
    assert (rows, reading.rejected) == ([], 1)


# --- curl ----------------------------------------------------------------------------------------------------------------------

HEAD = "* Connected to id.test (192.0.2.7) port 443 (#0)\n> POST /oauth2/token HTTP/1.1\n> Host: id.test\n> Content-Length: 9\n> \n} [9 bytes data]\n"
SAID = '{"error":"invalid_client"}'
REPORTS: list[tuple[str, str, dict[str, Any]]] = [
    ("the body below", f"{HEAD}< HTTP/1.1 401 Unauthorized\n< Content-Type: application/json\n< \n{{ [26 bytes data]\n* Connection #0 to host id.test left intact\n{SAID}", {"status": 401, "error": "invalid_client", "sees": "-body"}),
    ("the body glued to a note", f"{HEAD}< HTTP/1.1 401 Unauthorized\n< \n{SAID}* Connection #0 to host id.test left intact\n", {"error": "invalid_client"}),
    ("no body shown", f"{HEAD}< HTTP/1.1 401 Unauthorized\n< \n{{ [26 bytes data]\n", {"status": 401, "error": None, "sees": "-answer"}),
    ("100 first", f"{HEAD}< HTTP/1.1 100 Continue\n< \n< HTTP/1.1 400 Bad Request\n< \n", {"status": 400}),
    ("HTTP/2", "* using HTTP/2\n* ALPN: server accepted h2\n> POST /oauth2/token HTTP/2\n> Host: id.test\n> \n< HTTP/2 400 \n< content-type: application/json\n< \n", {"status": 400, "url": "https://id.test/oauth2/token"}),
    ("times", f"13:47:44.328128 > POST /oauth2/token HTTP/1.1\n13:47:44.328129 > Host: id.test\n13:47:44.328129 > \n13:47:44.328610 < HTTP/1.1 401 Unauthorized\n13:47:44.328692 < \n{SAID}13:47:44.328945 * Closing connection 0\n", {"error": "invalid_client", "url": "http://id.test/oauth2/token"}),
    ("reset", f"{HEAD}* Recv failure: Connection reset by peer\n* Closing connection 0\ncurl: (56) Recv failure: Connection reset by peer\n", {"status": None, "transport_error": "curl: (56) Recv failure: Connection reset by peer"}),
    ("never connected", "$ curl -v -d a=b https://id.test/oauth2/token\n*   Trying 192.0.2.7:443...\n* connect to 192.0.2.7 port 443 failed: Connection refused\ncurl: (7) Failed to connect to id.test port 443\n", {"status": None, "method": "POST", "url": "https://id.test/oauth2/token", "sees": "-authorization"}),
    ("-i", f"HTTP/1.1 401 Unauthorized\nContent-Type: application/json\nWWW-Authenticate: Basic\n\n{SAID}", {"status": 401, "error": "invalid_client", "step": "event"}),
    ("a date", f"{HEAD}< HTTP/1.1 401 Unauthorized\n< Date: Mon, 04 May 2026 10:00:00 GMT\n< \n", {"status": 401}),
]  # fmt: skip


@pytest.mark.parametrize(("report", "expected"), [pytest.param(r, x, id=name) for name, r, x in REPORTS])
def test_a_report_of_curl_is_read(report: str, expected: dict[str, Any]) -> None:
    assert weigh(report.encode())[0][1] == "curl-v"
    row = row_of("curl-v", report)
    for column, value in expected.items():
        if column == "sees":
            assert value[1:] not in row["sees"]
        else:
            assert row[column] == value, column


def test_a_proxy_s_tunnel_is_another_transfer() -> None:
    tunnel = "* Connected to proxy (192.0.2.1) port 3128 (#0)\n> CONNECT id.test:443 HTTP/1.1\n> Host: id.test:443\n> \n< HTTP/1.1 200 Connection established\n< \n"
    rows, _ = rows_of(
        "curl-v",
        f"{tunnel}* SSL connection using TLSv1.3\n{HEAD.partition(chr(10))[2]}< HTTP/1.1 401 Unauthorized\n< \n",
    )
    assert [(row["url"], row["status"]) for row in rows] == [("https://id.test/oauth2/token", 401)]


def hexadecimal(data: bytes) -> str:
    parts = [data[at : at + 16] for at in range(0, len(data), 16)]
    shown = ["".join(chr(b) if 32 <= b < 127 else "." for b in part) for part in parts]
    return "".join(f"{n * 16:04x}: {p.hex(' '):<47} {s}\n" for n, (p, s) in enumerate(zip(parts, shown, strict=True)))


@given(st.binary(max_size=80))
def test_a_body_in_hexadecimal_is_put_together(body: bytes) -> None:
    head = b"POST /oauth2/token HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
    sent = b"grant_type=password&client_secret=" + body.hex().encode()
    trace = (
        f"=> Send header, {len(head)} bytes (0x0)\n{hexadecimal(head)}=> Send data, {len(sent)} bytes (0x0)\n{hexadecimal(sent)}"
        "<= Recv header, 26 bytes (0x1a)\n0000: HTTP/1.1 400 Bad Request\n"
    )
    row = row_of("curl-trace-ascii", trace)
    assert (row["grant_type"], row["status"], row["secret_length"]) == ("password", 400, 2 * len(body))


def test_line_breaks_that_a_trace_shows_as_dots_are_mended() -> None:
    said = '{"error":"invalid_grant",. "error_description":"Code 1.5 is gone.".}'
    trace = f"=> Send header, 45 bytes (0x2d)\n0000: POST /oauth2/token HTTP/1.1\n001d: Host: id.test\n<= Recv header, 26 bytes (0x1a)\n0000: HTTP/1.1 400 Bad Request\n<= Recv data, {len(said)} bytes (0x0)\n0000: {said[:64]}\n0040: {said[64:]}\n"
    row = row_of("curl-trace-ascii", trace)
    assert (row["error"], row["error_description"]) == ("invalid_grant", "Code 1.5 is gone.")


# --- Chromium's network log ---------------------------------------------------------------------------------------------------

TYPES = {"REQUEST_ALIVE": 1, "URL_REQUEST_START_JOB": 2, "HTTP_TRANSACTION_SEND_REQUEST_HEADERS": 3, "HTTP_TRANSACTION_READ_RESPONSE_HEADERS": 4, "FAILED": 5, "URL_REQUEST_JOB_FILTERED_BYTES_READ": 6, "URL_REQUEST_REDIRECTED": 7}  # fmt: skip


def netlog(*told: tuple[str, dict[str, Any]], source: int = 1) -> str:
    constants = {"logEventTypes": TYPES, "netError": {"ERR_CONNECTION_REFUSED": -102}, "timeTickOffset": 1777888800000}
    events = [
        {"type": TYPES[kind], "phase": 1, "time": str(n), "source": {"id": source, "type": 1}, "params": params}
        for n, (kind, params) in enumerate(told)
    ]
    return json.dumps({"constants": constants, "events": events})


START = ("URL_REQUEST_START_JOB", {"method": "POST", "url": "https://id.test/oauth2/token"})


def test_a_request_that_failed_is_told_by_name() -> None:
    row = row_of("netlog", netlog(START, ("FAILED", {"net_error": -102})))
    assert (row["status"], row["transport_error"]) == (None, "net::ERR_CONNECTION_REFUSED")
    assert row["time"].isoformat() == "2026-05-04T10:00:00"


def test_credentials_that_were_left_out_prove_nothing() -> None:
    sent = (
        "HTTP_TRANSACTION_SEND_REQUEST_HEADERS",
        {"headers": ["Host: id.test", "Authorization: [28 bytes were stripped]"]},
    )
    got = (
        "HTTP_TRANSACTION_READ_RESPONSE_HEADERS",
        {"headers": ["HTTP/1.1 401 Unauthorized", "Content-Type: application/json"]},
    )
    rows, reading = rows_of("netlog", netlog(START, sent, got, ("URL_REQUEST_REDIRECTED", {})))
    assert (rows[0]["status"], rows[0].get("auth_method"), rows[0].get("token_fp")) == (401, None, None)
    assert "authorization" not in rows[0]["sees"]
    assert "prove" in reading.notes[0]


def test_raw_bytes_are_read_where_they_were_kept() -> None:
    got = (
        "HTTP_TRANSACTION_READ_RESPONSE_HEADERS",
        {"headers": ["HTTP/1.1 401 Unauthorized", "Content-Type: application/json"]},
    )
    body = ("URL_REQUEST_JOB_FILTERED_BYTES_READ", {"bytes": base64.b64encode(SAID.encode()).decode()})
    row = row_of("netlog", netlog(START, got, body))
    assert row["error"] == "invalid_client"
    assert "answer" in row["sees"]


@pytest.mark.parametrize(
    "text", ['{"constants":{"logEventTypes":{}},"events":7}', '{"events":[]}', '{"constants":7,"events":[]}', "{", ""]
)
def test_a_log_without_constants_is_rejected(text: str) -> None:
    rows, reading = rows_of("netlog", text)
    assert (rows, reading.rejected) == ([], 1)


# --- mitmproxy -----------------------------------------------------------------------------------------------------------------


def test_a_flow_file_of_which_only_the_end_is_left_is_told(tmp_path: Path) -> None:
    (reading,) = analyse_text(tmp_path, "4:type;4:http;7:version;2:21#}", "tail.mitm").inputs
    assert (reading.format, reading.exchanges, reading.rejected) == ("mitmproxy-flow", 0, 1)


# --- secrets ------------------------------------------------------------------------------------------------------------------

SECRET = "pZ9vQ2xK7mW4nR8tY3uB6cD1fG5hJ0kL"
BASIC = base64.b64encode(f"web:{SECRET}".encode()).decode()
REQUEST = (
    f"POST /oauth2/token?code={SECRET}&access_token={SECRET} HTTP/1.1\r\nHost: id.test\r\nAuthorization: Basic {BASIC}\r\nCookie: sid={SECRET}\r\n"
    f"DPoP: {SECRET}\r\nReferer: https://app.test/cb?code={SECRET}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
    f"grant_type=authorization_code&code={SECRET}&client_secret={SECRET}&code_verifier={SECRET}&refresh_token={SECRET}&password={SECRET}"
)
ANSWER = (
    f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nSet-Cookie: sid={SECRET}\r\nLocation: https://app.test/cb?code={SECRET}#id_token={SECRET}\r\n\r\n"
    f'{{"error":"invalid_grant","error_description":"refresh_token={SECRET} is unknown","access_token":"{SECRET}","refresh_token":"{SECRET}"}}'
)


def _heads() -> tuple[list[str], str, list[str], str]:
    sent, _, body = REQUEST.partition("\r\n\r\n")
    got, _, answer = ANSWER.partition("\r\n\r\n")
    return sent.split("\r\n"), body, got.split("\r\n"), answer


def _pairs(lines: list[str], name: str = "name") -> list[dict[str, str]]:
    return [dict(zip((name, "value"), line.split(": ", 1), strict=True)) for line in lines[1:]]


SENT, BODY, GOT, SAID_TOO = _heads()
URL = f"https://id.test{SENT[0].split()[1]}"
CODED = base64.b64encode(REQUEST.encode()).decode(), base64.b64encode(ANSWER.encode()).decode()
POSTMAN = {
    "request": {"method": "POST", "url": URL, "header": _pairs(SENT, "key"), "body": {"mode": "raw", "raw": BODY}, "auth": {"type": "bearer", "bearer": [{"key": "token", "value": SECRET}]}},
    "response": {"code": 400, "header": _pairs(GOT, "key"), "stream": {"type": "Buffer", "data": list(SAID_TOO.encode())}, "body": SAID_TOO},
}  # fmt: skip
HAR_ENTRY = {
    "startedDateTime": "2026-05-04T10:00:00Z",
    "request": {"method": "POST", "url": URL, "headers": _pairs(SENT), "queryString": [{"name": "code", "value": SECRET}], "postData": {"mimeType": "application/x-www-form-urlencoded", "text": BODY, "params": [{"name": "code", "value": SECRET}]}},
    "response": {"status": 400, "headers": _pairs(GOT), "redirectURL": URL, "content": {"size": 9, "text": SAID_TOO, "mimeType": "application/json"}},
}  # fmt: skip
CURL_V = [
    f"$ curl -v -u web:{SECRET} {URL}",
    *(f"> {line}" for line in [*SENT, ""]),
    *(f"< {line}" for line in [*GOT, ""]),
    SAID_TOO,
]
TRACE = [
    ("=> Send header", f"{chr(13)}{chr(10)}".join([*SENT, "", ""])),
    ("=> Send data", BODY),
    ("<= Recv header", f"{chr(13)}{chr(10)}".join([*GOT, ""])),
    ("<= Recv data", SAID_TOO),
]
BROKEN = {"request": {"x": f"code={SECRET}"}}
LEAKING: dict[str, bytes] = {
    "har": json.dumps({"log": {"version": "1.2", "pages": [{"title": URL}], "entries": [HAR_ENTRY, BROKEN]}}).encode(),
    "newman": json.dumps({"collection": {}, "environment": {"values": [{"key": "client_secret", "value": SECRET}]}, "run": {"executions": [POSTMAN, BROKEN]}}).encode(),
    "postman-collection": json.dumps({"info": {"schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}, "item": [{"response": [{"originalRequest": POSTMAN["request"], **POSTMAN["response"]}, {"originalRequest": BROKEN}]}]}).encode(),
    "burp": f'<?xml version="1.0"?><items burpVersion="1"><item><url><![CDATA[{URL}]]></url><request base64="true">{CODED[0]}</request><response base64="true">{CODED[1]}</response></item><item><url>{URL}'.encode(),
    "saz": archive({"raw/1_c.txt": REQUEST.replace("POST /", "POST https://id.test/").encode(), "raw/1_s.txt": ANSWER.encode()}),
    "curl-v": "\n".join(CURL_V).encode(),
    "curl-trace-ascii": "".join(f"{what}, {len(data)} bytes (0x0)\n{hexadecimal(data.encode())}" for what, data in TRACE).encode(),
    "netlog": netlog(
        ("URL_REQUEST_START_JOB", {"method": "POST", "url": URL}),
        ("HTTP_TRANSACTION_SEND_REQUEST_HEADERS", {"headers": SENT[1:]}),
        ("HTTP_TRANSACTION_READ_RESPONSE_HEADERS", {"headers": GOT}),
        ("URL_REQUEST_JOB_FILTERED_BYTES_READ", {"bytes": base64.b64encode(SAID_TOO.encode()).decode()}),
    ).encode(),
}  # fmt: skip
"""A capture of one exchange with the secret in every place that the format has, and of one that is broken."""


@pytest.mark.parametrize("name", LEAKING)
def test_no_secret_stays_in_a_row(name: str) -> None:
    """In the flow files of mitmproxy too: tests/test_canary.py."""
    rows, reading = rows_of(name, LEAKING[name])
    assert len(rows) == 1, reading.rejects
    assert (rows[0]["step"], rows[0]["status"], rows[0]["error"]) == ("token", 400, "invalid_grant")
    out = repr((rows, reading, reading.rejects, reading.notes, reading.hosts))
    for shape in (SECRET, BASIC):
        assert shape not in out, out[max(0, out.find(shape) - 300) :][:400]

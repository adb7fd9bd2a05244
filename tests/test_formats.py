"""Every format of gateways' logs: its sample is recognised and told, nothing is lost, and nothing crashes it."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from conftest import KEY, SAMPLES, told
from hypothesis import given, settings
from hypothesis import strategies as st

from oauthtrace.analysis import Analysis, analyze
from oauthtrace.oauth.observe import RawExchange
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, captures, events, formats, gateways, weigh
from oauthtrace.sources.carriers import carriers
from oauthtrace.sources.directives import DIALECTS
from oauthtrace.sources.flags import vocabularies
from oauthtrace.sources.log_format import compile_format
from oauthtrace.store import Store
from sample_logs.make.formats import written

FOLDER = SAMPLES / "formats"
ELDER = {"har": SAMPLES / "healthy.har", "mitmproxy-flow": SAMPLES / "session.mitm"}
"""Formats whose sample stands elsewhere."""
ZONE = timezone(timedelta(hours=2))


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        if hasattr(getattr(module, "FORMAT", module), "sniff"):
            yield module


def named(package: ModuleType) -> list[str]:
    return [getattr(module, "FORMAT", module).NAME for module in modules(package)]


GATEWAYS = named(gateways)


def sample_of(name: str) -> Path:
    if name in ELDER:
        return ELDER[name]
    found = sorted(FOLDER.glob(f"{name}.*"))
    assert found, f"put a small sample of {name} into {FOLDER}, named {name}.log or the like"
    return found[0]


def lines_in(name: str) -> list[str]:
    return sample_of(name).read_text("utf-8", "surrogateescape").splitlines()


def read(name: str, content: bytes, zone: timezone = UTC) -> tuple[Reading, list[dict]]:
    reading = Reading("some.log", Redactor(KEY))
    reading.zone = zone
    return reading, list(formats()[name].read(io.BytesIO(content), reading))


@cache
def analysis_of(name: str) -> Analysis:
    return analyze([sample_of(name)], key=KEY)


# --- one format, one file, one sample -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*GATEWAYS, *named(events), *named(captures)])
def test_a_format_has_a_sample_and_says_what_it_is(name: str) -> None:
    form = formats()[name]
    assert sample_of(name).stat().st_size > 0
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name), "names are lower case, with hyphens"
    assert 8 < len(form.TITLE) < 90, f"{name}: TITLE is one line for `oauthtrace formats`"
    assert set(form.SEES) <= {"query", "headers", "authorization", "body", "answer", "location"}


@pytest.mark.parametrize("package", [gateways], ids=lambda p: p.__name__.rpartition(".")[2])
def test_a_format_names_its_documentation(package: ModuleType) -> None:
    lacking = [m.__name__ for m in modules(package) if "https://" not in (m.__doc__ or "") and "json_lines" not in m.__name__]  # fmt: skip
    assert not lacking, "the module's docstring names the page of the product's documentation"


def test_a_sample_belongs_to_a_format() -> None:
    known = formats().keys() | carriers().keys()
    strangers = [file.name for file in FOLDER.iterdir() if file.name.partition(".")[0] not in known]
    assert not strangers, "no format and no carrier has this name"


# --- recognised -----------------------------------------------------------------------------------------------------------


def windows(name: str, size: int) -> Iterator[bytes]:
    """Every run of so many lines of a sample."""
    lines = lines_in(name)
    for start in range(max(1, len(lines) - size + 1)):
        yield ("\n".join(lines[start : start + size]) + "\n").encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_sample_is_recognised(name: str) -> None:
    scored = weigh(sample_of(name).read_bytes())
    assert scored[0][1] == name, scored[:4]
    assert scored[0][0] >= 0.8, scored[:4]


@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_part_of_a_sample_is_recognised(size: int) -> None:
    seen = [(name, weigh(head)) for name in GATEWAYS for head in windows(name, size)]
    wrong = [(name, scored[:2]) for name, scored in seen if scored[0][1] != name]
    assert len(wrong) <= len(seen) / 100, wrong
    sure = [(name, scored[:2]) for name, scored in wrong if scored[0][0] > 0.9]
    assert not sure, "wrong, and sure of it"


def others() -> dict[str, str]:
    at = datetime(2026, 5, 4, 9, tzinfo=UTC)
    names = ("kernel: eth0: link up", "sshd[811]: Accepted publickey for deploy from 10.0.0.4 port 51022 ssh2", "CRON[90]: (root) CMD (run-parts /etc/cron.hourly)",
             "systemd[1]: Started Daily apt upgrade and clean activities.", "sshd[812]: Failed password for invalid user admin from 198.51.100.9 port 4022 ssh2")  # fmt: skip
    pets = [{"id": n, "name": f"Item {n}", "status": "available", "url": f"https://shop.example/items/{n}", "tags": ["a", "b"], "price": n * 1.5} for n in range(30)]  # fmt: skip
    return {
        "Linux syslog": "".join(f"May  4 09:{n % 60:02d}:01 host1 {names[n % 5]}\n" for n in range(60)),
        "dpkg.log": "".join(f"{at:%Y-%m-%d} 09:00:{n:02d} status half-configured libtoken-perl:amd64 1.{n}-1\n" for n in range(50)),
        "sales": "order,date,customer,amount,token\n" + "".join(f"{n},2026-05-04,Customer {n},{n * 3}.00,gift\n" for n in range(50)),
        "API dump": json.dumps(pets, indent=1) + "\n",
        "API dump, lines": "".join(json.dumps(pet) + "\n" for pet in pets),
        "a shop's access log": "".join(f'203.0.113.{n} - - [04/May/2026:09:00:{n:02d} +0000] "GET /items/{n} HTTP/1.1" 404 5 "-" "x"\n' for n in range(50)),
    }  # fmt: skip


@pytest.mark.parametrize("name", others())
def test_logs_of_something_else_hold_no_exchange(name: str, tmp_path: Path) -> None:
    file = tmp_path / "other.log"
    file.write_text(others()[name])
    analysis = analyze([file], key=KEY)
    assert analysis.exchanges.is_empty(), told(analysis)


EXPORTS = {
    "array": json.dumps,
    "array over many lines": lambda entries: json.dumps(entries, indent=2),
    "envelope": lambda entries: json.dumps({"records": entries}),
    "envelope over many lines": lambda entries: json.dumps({"records": entries}, indent=1),
}


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("name", ["gcp-lb", "azure-appgw", "kong-json", "json-access"])
def test_an_export_is_read_like_its_lines(name: str, export: str) -> None:
    content = sample_of(name).read_bytes()
    document = EXPORTS[export](list(map(json.loads, content.splitlines()))).encode() + b"\n"
    assert weigh(document)[0][1] == name, weigh(document)[:3]
    (_, lines), (reading, rows) = read(name, content), read(name, document)
    assert [row["url"] for row in rows] == [row["url"] for row in lines]
    assert len({row["id"] for row in rows}) == len(rows)
    assert (reading.records, reading.rejected) == (12, 0)


# --- told -------------------------------------------------------------------------------------------------------------------

DENIED, UNREACHABLE, TIMEOUT, EXPIRED = (
    "user/denied",
    "server/unreachable",
    "server/timeout",
    "grant/access-token-expired",
)
STATE, HEADER = "binding/state-mismatch", "server/intermediary"
CAUSES: dict[str, dict[int, str]] = {
    # made by the software itself, see sample_logs/make/formats
    "nginx-combined": {8: DENIED, 14: TIMEOUT, 13: UNREACHABLE},
    "nginx-custom": {8: DENIED, 13: UNREACHABLE},
    "nginx-json": {8: DENIED, 13: UNREACHABLE, 14: TIMEOUT},
    "nginx-error": {2: HEADER, 3: UNREACHABLE, 4: TIMEOUT},
    "apache-common": {8: DENIED, 17: STATE},
    "apache-vhost-combined": {8: DENIED, 17: STATE},
    "apache-error": {6: TIMEOUT, 8: STATE, 12: UNREACHABLE},
    "haproxy-http": {9: DENIED, 14: UNREACHABLE, 15: TIMEOUT},
    "caddy-json": {8: DENIED, 13: UNREACHABLE, 15: TIMEOUT},
    "litellm-json": {7: EXPIRED},
    # written by their documentation, see sample_logs/make/formats/written.py
    "envoy-text": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT},
    "istio-text": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT, 12: EXPIRED},
    "istio-json": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT, 12: EXPIRED},
    "envoy-gateway-json": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT, 12: EXPIRED},
    "nginx-proxy-manager": {8: DENIED, 10: TIMEOUT},
    "iis-w3c": {12: DENIED, 14: TIMEOUT},
    "kong-json": {7: DENIED, 10: TIMEOUT, 12: EXPIRED},
    "apisix-access": {8: DENIED, 10: TIMEOUT},
    "apisix-json": {7: DENIED, 10: TIMEOUT},
    "traefik-common": {8: DENIED, 10: TIMEOUT},
    "traefik-json": {7: DENIED, 10: TIMEOUT},
    "aws-alb": {8: DENIED, 10: TIMEOUT},
    "aws-apigw": {9: UNREACHABLE, 10: TIMEOUT, 12: EXPIRED},
    "cloudfront": {10: DENIED, 11: UNREACHABLE, 12: TIMEOUT},
    "azure-apim": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT, 12: EXPIRED},
    "azure-appgw": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT},
    "azure-frontdoor": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT},
    "gcp-lb": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT},
    "cloudflare": {8: DENIED, 9: UNREACHABLE, 10: TIMEOUT},
    "oauth2-proxy": {5: DENIED, 7: UNREACHABLE, 9: EXPIRED},
    "apipark-json": {8: DENIED, 10: TIMEOUT},
    "portkey-json": {8: DENIED, 10: TIMEOUT, 12: EXPIRED},
    "json-access": {8: DENIED, 10: TIMEOUT},
}
"""Format -> line of its sample -> cause that has to come out: what this vantage point can tell."""


def test_every_format_is_in_the_table() -> None:
    assert set(CAUSES) == set(GATEWAYS)


@pytest.mark.parametrize("name", CAUSES)
def test_a_failing_flow_is_told(name: str) -> None:
    analysis = analysis_of(name)
    failures = analysis.failures.filter(pl.col("source_position").is_in(list(CAUSES[name])))
    assert dict(failures.select("source_position", "cause").rows()) == CAUSES[name], told(analysis)


@pytest.mark.parametrize("name", CAUSES)
def test_what_worked_is_not_called_a_failure(name: str) -> None:
    calm = analysis_of(name).failures.filter(pl.col("status") < 400, pl.col("error").is_null())
    assert calm.is_empty(), told(analysis_of(name))


# --- nothing is lost, nothing crashes --------------------------------------------------------------------------------------

JUNK = (b"\n", b"oauth token \xff\xfe\n", b'{"token": cut off\n', b"\x00\x01\x02\n", b"x" * 300 + b"/oauth/token\n", b"{}\n", b"[]\n", b'{"request":[1,{"oauth":null}],"status":{}}\n')  # fmt: skip
LINES = [line.encode("utf-8", "surrogateescape") + b"\n" for name in GATEWAYS for line in lines_in(name)]


@pytest.mark.parametrize("name", [n for n in GATEWAYS if getattr(formats()[n], "BY_LINE", False)])
def test_every_line_is_accounted_for(name: str) -> None:
    content = sample_of(name).read_bytes() + b"".join(JUNK) + sample_of("nginx-combined").read_bytes()
    reading, rows = read(name, content)
    assert reading.records == sum(bool(line.strip(b"\r")) for line in content.split(b"\n"))
    assert reading.exchanges == len(rows) > 0
    assert 0 <= reading.rejected <= reading.records - reading.exchanges
    assert len({row["id"] for row in rows}) == len(rows)


@given(content=st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(LINES), st.sampled_from(JUNK)), max_size=6).map(b"".join), name=st.sampled_from(GATEWAYS))  # fmt: skip
@settings(max_examples=300)
def test_any_bytes_are_read(content: bytes, name: str) -> None:
    reading, rows = read(name, content)
    assert reading.exchanges == len(rows)
    assert reading.exchanges + reading.rejected <= max(reading.records, reading.exchanges + reading.rejected)


@given(line=st.sampled_from(LINES), cut=st.floats(0, 1), name=st.sampled_from([n for n in GATEWAYS if hasattr(formats()[n], "line_of")]))  # fmt: skip
@settings(max_examples=400)
def test_a_line_that_is_cut_is_read_or_refused(line: bytes, cut: float, name: str) -> None:
    form = formats()[name]
    raw = form.line_of(line[: int(len(line) * cut)].decode("utf-8", "replace"), UTC)  # type: ignore[attr-defined]
    assert isinstance(raw, RawExchange | str)


@pytest.mark.parametrize("name", ["nginx-error", "apache-error", "oauth2-proxy", "litellm-json", "haproxy-http", "cloudfront", "kong-json"])  # fmt: skip
def test_a_log_that_grows_gives_what_the_whole_gives(name: str, tmp_path: Path) -> None:
    content = sample_of(name).read_bytes().splitlines(keepends=True) * 2
    file = tmp_path / "growing.log"
    kept = []
    for cuts in ([len(content)], list(range(1, len(content) + 1))):
        store = Store(tmp_path / f"{len(cuts)}.duckdb", key=KEY)
        for cut in cuts:
            file.write_bytes(b"".join(content[:cut]))
            os.utime(file, (1_777_000_000 + cut, 1_777_000_000 + cut))
            store.ingest([file])
        kept.append(store.exchanges().drop("source_file").sort("id").to_dicts())
    assert kept[0]
    assert kept[1] == kept[0]


def test_lines_of_several_formats_are_understood_in_one_stream(tmp_path: Path) -> None:
    names = [name for name in GATEWAYS if hasattr(formats()[name], "line_of") and name != "nginx-custom"]
    file = tmp_path / "stdout.log"
    wanted = {}
    with file.open("w") as out:
        for number, name in enumerate(names):
            told = formats()[name].line_of  # type: ignore[attr-defined]
            line = next(
                line
                for line in lines_in(name)
                if re.search("access_denied|/token", line) and isinstance(told(line), RawExchange)
            )
            out.write(f"starting worker {number}\n{line}\n")
            wanted[2 * number + 2] = name
    rows = analyze([file], key=KEY).exchanges.filter(pl.col("status").is_not_null())
    lost = {place: wanted[place] for place in wanted.keys() - set(rows["source_position"])}
    assert not lost, "no exchange was read from these lines"


SECRETS = {name: f"{name.replace('_', '')}9xQ2vLr0ZkT7mWp4" for name in ("code", "access_token", "refresh_token", "client_secret", "id_token", "code_verifier")}  # fmt: skip
QUERY = "&".join(f"{name}={value}" for name, value in SECRETS.items())
MESSAGE = f"oauth token request failed: invalid_grant, {QUERY} Authorization: Bearer {SECRETS['access_token']}"
COMPLAINTS = {
    "nginx-error": f'2026/05/04 09:14:02 [error] 31#31: *47 [lua] openidc.lua:1: {MESSAGE}, client: 203.0.113.7, server: _, request: "GET /cb?{QUERY}&state=1234 HTTP/1.1", upstream: "http://10.0.0.1/cb?{QUERY}", host: "a.test", referrer: "https://a.test/?{QUERY}"',
    "apache-error": f"[Mon May 04 09:14:02.310865 2026] [auth_openidc:error] [pid 2:tid 3] [client 203.0.113.7:53054] oidc_util_http_call: {MESSAGE}, referer: https://a.test/?{QUERY}",
    "oauth2-proxy": f'[2026/05/04 09:14:02] [oauthproxy.go:887] Error redeeming code: {MESSAGE} &{{GET /oauth2/callback?{QUERY} map[Cookie:[s={SECRETS["id_token"]}]]}}\n203.0.113.7:5 - id-1 - - [2026/05/04 09:14:02] a.test GET - "/oauth2/callback?{QUERY}&state=abcd" HTTP/1.1 "x" 500 2931 0.041',
    "litellm-json": json.dumps({"message": f"Exception: {MESSAGE}", "level": "ERROR", "timestamp": "2026-05-04T09:14:02.1", "component": "LiteLLM Proxy", "logger": "a.py:1", "stacktrace": MESSAGE}),
}  # fmt: skip
"""Format -> lines that tell of a failure in words, full of secrets."""


@pytest.mark.parametrize("name", [*written.WRITERS, *COMPLAINTS])
def test_no_secret_stays_in_a_row(name: str) -> None:
    call = written.Call(written.START, "203.0.113.7", "GET", "a.test", f"/callback?{QUERY}&state=abcdefgh", 400, 0.1, agent=f"x access_token={SECRETS['access_token']}", location=f"https://a.test/#{QUERY}", number=1)  # fmt: skip
    line = COMPLAINTS.get(name) or written.WRITERS[name](call)
    reading, rows = read(name, f"{line}\n{line[: len(line) // 2]}\n".encode())
    kept = repr(rows) + repr(reading.rejects) + repr(reading.hosts)
    assert rows or name == "aws-apigw", "too little was read to prove anything"
    assert [secret for secret, value in SECRETS.items() if value in kept] == []


# --- times ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nginx-error", "apache-error", "haproxy-http", "oauth2-proxy", "litellm-json"])
def test_a_time_without_zone_is_of_the_zone_that_was_given(name: str) -> None:
    content = sample_of(name).read_bytes()
    here, there = ([row["time"] for row in read(name, content, zone)[1]] for zone in (UTC, ZONE))
    assert here
    assert [a - b for a, b in zip(here, there, strict=True)] == [timedelta(hours=2)] * len(here)


@pytest.mark.parametrize("name", ["nginx-combined", "istio-text", "aws-alb", "gcp-lb", "kong-json", "cloudfront"])
def test_a_time_with_a_zone_keeps_it(name: str) -> None:
    content = sample_of(name).read_bytes()
    assert [row["time"] for row in read(name, content)[1]] == [row["time"] for row in read(name, content, ZONE)[1]]


# --- what gateways say themselves -------------------------------------------------------------------------------------------

ENVOY = '[2026-05-04T09:14:02.120Z] "POST /oauth2/token HTTP/2" {} {} 0 91 3 - "203.0.113.7" "x" "id-1" "id.test" "-"'
HAPROXY = '203.0.113.7:51834 [04/May/2026:09:14:02.120] fe be/{} 0/0/1/{}/30 {} 217 - - {} 1/1/1/1/0 0/0 "POST /oauth2/token HTTP/1.1"'
LEFT, ITSELF = "client left before the answer", "gateway answered itself"
SAID: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Envoy: upstream failed": ("envoy-text", ENVOY.format(503, "UF,URX"), (ITSELF,)),
    "Envoy: client left": ("envoy-text", ENVOY.format(0, "DC"), (LEFT,)),
    "Envoy: the server's own answer": ("envoy-text", ENVOY.format(400, "-"), ()),
    "HAProxy: server refused": ("haproxy-http", HAPROXY.format("s1", -1, 503, "SC--"), (ITSELF,)),
    "HAProxy: server too slow": ("haproxy-http", HAPROXY.format("s1", -1, 504, "sH--"), (ITSELF,)),
    "HAProxy: client left": ("haproxy-http", HAPROXY.format("s1", -1, -1, "CH--"), (LEFT,)),
    "HAProxy: the server's own answer": ("haproxy-http", HAPROXY.format("s1", 28, 400, "----"), ()),
    "nginx: client left": ("nginx-combined", '203.0.113.7 - - [04/May/2026:09:14:02 +0000] "POST /oauth2/token HTTP/1.1" 499 0 "-" "x"', (LEFT,)),
    "nginx: nobody behind": ("nginx-json", '{"time_iso8601":"2026-05-04T09:14:02+00:00","request_method":"POST","request_uri":"/oauth2/token","status":502,"request_time":0.1,"upstream_status":"502","upstream_header_time":"-"}', (ITSELF,)),
    "Traefik: nobody behind": ("traefik-json", '{"DownstreamStatus":502,"RequestMethod":"POST","RequestPath":"/oauth2/token","OriginStatus":0}', (ITSELF,)),
}  # fmt: skip


@pytest.mark.parametrize(("name", "line", "facts"), SAID.values(), ids=SAID.keys())
def test_who_answered_is_noticed(name: str, line: str, facts: tuple[str, ...]) -> None:
    raw = formats()[name].line_of(line)  # type: ignore[attr-defined]
    assert isinstance(raw, RawExchange), raw
    assert raw.facts == facts
    assert raw.status or raw.transport_error


def test_words_of_gateways_are_patterns_with_a_source() -> None:
    for name, table in vocabularies().items():
        assert table["docs"].startswith("https://"), name
        for pattern, row in table["words"].items():
            re.compile(pattern)
            assert row.keys() <= {"is", "says"}, f"{name}: {pattern}"
            assert row.get("is", "itself") in ("server", "itself", "left", "token"), f"{name}: {pattern}"


# --- format strings -----------------------------------------------------------------------------------------------------------

STRINGS = {
    "nginx, bare": ('$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent', '203.0.113.7 - portal [04/May/2026:09:14:02 +0000] "POST /oauth2/token HTTP/1.1" 401 98'),
    "nginx, directive": ("log_format main '$remote_addr [$time_iso8601] ' \"$request_method \" '$scheme://$host$request_uri $status';", "203.0.113.7 [2026-05-04T09:14:02+00:00] POST https://id.test/oauth2/token 401"),
    "nginx, uri and args": ("$time_iso8601|$remote_addr|$request_method|$host|$uri$is_args$args|$status", "2026-05-04T09:14:02+00:00|203.0.113.7|POST|id.test|/oauth2/token?a=b|401"),
    "nginx, JSON": ('log_format j escape=json \'{"t":$msec,"c":"$remote_addr","r":"$request","s":$status}\';', '{"t":1777886042.000,"c":"203.0.113.7","r":"POST /oauth2/token HTTP/1.1","s":401}'),
    "nginx, JSON of parts": ('{"at":"$time_iso8601","who":"$remote_addr","what":"$request_method $scheme://$host$request_uri","s":"$status"}', '{"at":"2026-05-04T09:14:02+00:00","who":"203.0.113.7","what":"POST https://id.test/oauth2/token","s":"401"}'),
    "Apache, directive": (r'LogFormat "%h %l %u %t \"%r\" %>s %b" common', '203.0.113.7 - portal [04/May/2026:09:14:02 +0000] "POST /oauth2/token HTTP/1.1" 401 98'),
    "Apache, own times": (r"%{%Y-%m-%d %H:%M:%S %z}t %a %m %v%U%q %>s %D", "2026-05-04 09:14:02 +0000 203.0.113.7 POST id.test/oauth2/token?a=b 401 1200"),
    "Envoy": ("[%START_TIME%] %REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %RESPONSE_CODE% %DOWNSTREAM_REMOTE_ADDRESS%", "[2026-05-04T09:14:02.000Z] POST id.test /oauth2/token 401 203.0.113.7:40122"),
    "Envoy, own times": ("%START_TIME(%Y-%m-%dT%H:%M:%S%z)% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %REQ(X-FORWARDED-FOR)%", "2026-05-04T09:14:02+0000 POST /oauth2/token 401 203.0.113.7"),
    "Envoy, JSON": ('{"t":"%START_TIME%","m":"%REQ(:METHOD)%","p":"%REQ(:PATH)%","s":"%RESPONSE_CODE%","c":"%REQ(X-FORWARDED-FOR)%"}', '{"c":"203.0.113.7","m":"POST","p":"/oauth2/token","s":401,"t":"2026-05-04T09:14:02.000Z"}'),
    "HAProxy": (r'log-format "%ci:%cp [%tr] %ft %b/%s %ST %tsc %{+Q}r"', '203.0.113.7:51834 [04/May/2026:09:14:02.000] fe be/s1 401 ---- "POST /oauth2/token HTTP/1.1"'),
    "HAProxy, blanks escaped": (r"log-format %ci\ [%T]\ %HM\ %[capture.req.hdr(0)]\ %HU\ %ST", "203.0.113.7 [04/May/2026:09:14:02 +0000] POST id.test /oauth2/token 401"),
    "API Gateway": ('{"id":"$context.requestId","t":"$context.requestTimeEpoch","ip":"$context.identity.sourceIp","m":"$context.httpMethod","p":"$context.path","s":"$context.status"}', '{"id":"a","t":"1777886042000","ip":"203.0.113.7","m":"POST","p":"/oauth2/token","s":"401"}'),
}  # fmt: skip


@pytest.mark.parametrize(("form", "line"), STRINGS.values(), ids=STRINGS.keys())
def test_a_line_is_read_by_the_servers_format_string(form: str, line: str) -> None:
    compiled = compile_format(form)
    raw = compiled.line_of(line)
    assert isinstance(raw, RawExchange), f"{raw}\n{compiled}"
    assert (raw.method, raw.status, raw.client_address) == ("POST", 401, "203.0.113.7")
    assert re.fullmatch(r"(?:https://id\.test)?/oauth2/token(?:\?a=b)?", raw.url), raw.url
    assert raw.time == pytest.approx(1777886042, abs=0.01)
    assert compiled.sniff(f"{line}\n".encode()) >= 0.9
    assert compiled.NAME.endswith("-custom")


WRONG = {
    "variables side by side": ("$remote_addr$status $request", "$remote_addr and $status"),
    "unknown to Apache": (r'%h %K "%r" %>s', "%K"),
    "unknown to Envoy": ("%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %SPEED%", "%SPEED%"),
    "unknown to HAProxy": ("%ci %ST %r %zz", "%zz"),
    "nothing of a request": ("$remote_addr $status", "no request line"),
    "no status": ('$remote_addr "$request"', "no status"),
    "no variable": ("just words", "no variable"),
    "empty": ("", "no variable"),
    "broken JSON": ('{"s":"$status","r":"$request"', "JSON"),
    "unknown in a time": ('%{%Y %Q}t "%r" %>s', "%Q"),
}


@pytest.mark.parametrize(("form", "named"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_with_a_format_string_is_said_in_one_line(form: str, named: str) -> None:
    with pytest.raises(ValueError, match=r"^log format: ") as caught:
        compile_format(form)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("$%{}[]()\"'\\ abcdehimnprstuvHSTUrequest_stausdy:>,;=/\n"), max_size=60))
@settings(max_examples=500)
def test_any_format_string_compiles_or_says_why_not(form: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(compile_format(form).line_of("x"), RawExchange | str)


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
VALUES = {
    "$remote_addr": st.sampled_from(["203.0.113.7", "2001:db8::1", "198.51.100.200"]),
    "$remote_user": st.sampled_from(["-", "portal", "jo doe"]),
    "$time_iso8601": st.just("2026-05-04T09:14:02+00:00"),
    '"$request"': st.builds("{} /{}".format, st.sampled_from(["GET", "POST"]), st.from_regex(r"[a-z]{1,8}(\?[a-z=&%2F]{0,12})?", fullmatch=True)),
    "$status": st.integers(200, 599).map(str),
    "$request_time": st.sampled_from(["0.000", "12.345"]),
    "$upstream_status": st.sampled_from(["-", "502, 200", "404 : 200", "200"]),
    '"$http_user_agent"': PRINTABLE,
    '"$http_referer"': PRINTABLE,
    "[$upstream_addr]": st.sampled_from(["10.0.1.4:80, 10.0.1.5:80", "-"]),
}  # fmt: skip
"""Variable as a format holds it -> its values."""


@st.composite
def formatted(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    """A format string, a line by it, and the values in it."""
    more = draw(st.lists(st.sampled_from(sorted(VALUES.keys() - {'"$request"', "$status"})), unique=True))
    order = draw(st.permutations(['"$request"', "$status", *more]))
    between = draw(st.sampled_from([" ", " | ", "\t", " -> "]))
    values = {name: draw(VALUES[name]) for name in order}
    line = []
    for name in order:
        shown = "".join(f"\\x{ord(c):02X}" if c in '"\\' else c for c in values[name])
        line.append(re.sub(r"\$\w+", lambda _, shown=shown: shown, name))
    return between.join(order), between.join(line), values


@given(formatted())
@settings(max_examples=300)
def test_what_a_format_string_writes_it_reads_back(case: tuple[str, str, dict[str, str]]) -> None:
    form, line, values = case
    raw = compile_format(form).line_of(line)
    assert isinstance(raw, RawExchange), f"{form}\n{line}\n{raw}"
    assert f"{raw.method} {raw.url}" == values['"$request"']
    assert raw.status == int(values["$status"])
    if "$remote_addr" in values:
        assert raw.client_address == values["$remote_addr"]
    if (agent := values.get('"$http_user_agent"')) not in (None, "", "-", "null", "None", "unknown"):
        assert raw.request_headers["user-agent"] == agent


TARGETS = st.from_regex(r"/(token|authorize|cb)(\?(code|state|error)=[A-Za-z0-9.~_-]{1,12}){0,1}", fullmatch=True)


@given(target=TARGETS, status=st.sampled_from([200, 302, 400, 401, 403]), took=st.integers(0, 60_000), name=st.sampled_from(sorted(written.WRITERS.keys() - {"oauth2-proxy", "aws-alb"})))  # fmt: skip
@settings(max_examples=300)
def test_what_is_written_by_the_documentation_is_read_back(target: str, status: int, took: int, name: str) -> None:
    call = written.Call(written.START, "203.0.113.7", "POST", "id.test", target, status, took / 1000, number=1)
    raw = formats()[name].line_of(written.WRITERS[name](call))  # type: ignore[attr-defined]
    assert isinstance(raw, RawExchange), raw
    assert (raw.method, raw.status) == ("POST", status)
    shown = target.partition("?")[0] if name == "aws-apigw" else target
    assert raw.url.endswith(shown), raw.url
    assert raw.client_address in ("203.0.113.7", None)
    assert raw.duration_ms is None or raw.duration_ms == pytest.approx(took, abs=1)
    assert raw.time == pytest.approx(
        written.START.timestamp(), abs=1.01 + (took / 1000 if raw.duration_ms is None else 0)
    )


def test_each_dialect_has_an_example() -> None:
    assert {dialect.name for _, dialect in DIALECTS} == {compile_format(form).NAME.removesuffix("-custom") for form, _ in STRINGS.values()}  # fmt: skip

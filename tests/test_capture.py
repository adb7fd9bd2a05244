"""The parts of the capture, without a proxy: journal, intake, prefilter, redaction."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from conftest import KEY, ROOT, SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mitmproxy", reason="capture needs mitmproxy (extra capture)")

from mitmproxy import http
from mitmproxy.io import FlowReader
from mitmproxy.io.har import request_to_flow
from mitmproxy.test import tflow

from oauthtrace.capture import intake, journal, prefilter, redact
from oauthtrace.capture.prefilter import may_be_oauth
from oauthtrace.capture.recorder import Recorder
from oauthtrace.oauth.observe import observe
from oauthtrace.privacy import Redactor, key_check
from oauthtrace.sources.captures import mitmproxy_flow
from oauthtrace.sources.captures.mitmproxy_flow import raw_exchange
from oauthtrace.store import Store, StoreError

with warnings.catch_warnings():  # mitmproxy's own addons load a library that warns of itself
    warnings.simplefilter("ignore", DeprecationWarning)
    from mitmproxy.addons.readfile import ReadFile
    from mitmproxy.test import taddons

    from oauthtrace.capture import hook
    from oauthtrace.capture.har import RedactedHar
    from oauthtrace.capture.hook import OAuthTrace

BEGAN = datetime(2026, 5, 4, 10)
ENCODE = msgspec.json.Encoder().encode


def begin(path: Path, key: bytes = KEY) -> journal.Journal:
    return journal.Journal(path, journal.header_of(key_check(key), "a capture", BEGAN), ENCODE)


def flow_of(method: str, url: str, headers: dict | None = None, body: bytes = b"", status: int = 200, answer: bytes = b"", answer_headers: dict | None = None) -> http.HTTPFlow:  # fmt: skip
    flow = tflow.tflow(resp=True)
    flow.request = http.Request.make(method, url, body, {"Host": "id.test", **(headers or {})})
    flow.request.timestamp_start = 1_777_889_000.25
    flow.response = http.Response.make(status, answer, answer_headers or {"Content-Type": "text/html"})
    flow.response.timestamp_start = flow.response.timestamp_end = 1_777_889_000.5
    return flow


def redemption(code: str) -> http.HTTPFlow:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"grant_type=authorization_code&code={code}&client_id=web".encode()
    return flow_of(
        "POST",
        "https://id.test/token",
        form,
        body,
        400,
        b'{"error": "invalid_grant"}',
        {"Content-Type": "application/json"},
    )


# --- what the proxy's process loads -------------------------------------------------------------------------------------


def test_the_hook_loads_nothing_heavy():
    program = "import sys; from oauthtrace.capture import OAuthTrace; print(*{'polars', 'duckdb', 'rich', 'typer'} & sys.modules.keys())"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert loaded == [], f"the hook imports {loaded}: they take memory and time of the proxy's process"


# --- journal --------------------------------------------------------------------------------------------------------------

RECORDS = st.lists(
    st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.integers(-9, 9), max_size=4), max_size=6
)


@settings(max_examples=40)
@given(records=RECORDS, cut=st.integers(0, 400))
def test_a_torn_journal_gives_its_whole_records(tmp_path_factory, records, cut):
    file = tmp_path_factory.mktemp("j") / "x.journal"
    written = begin(file)
    for record in records:
        written.append(record)
    written.close()
    data = file.read_bytes()[: -cut or None] if cut < file.stat().st_size else b""
    part = journal.parse(data)
    assert part.damaged == 0
    assert part.records[1:] == [json.loads(json.dumps(record)) for record in records][: max(len(part.records) - 1, 0)]
    assert len(part.records) == data.count(b"\n")


@settings(max_examples=40)
@given(records=RECORDS.filter(len), place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_byte_costs_no_more_than_its_line(tmp_path_factory, records, place, byte):
    file = tmp_path_factory.mktemp("j") / "x.journal"
    written = begin(file)
    for record in records:
        written.append(record)
    written.close()
    data = bytearray(file.read_bytes())
    data[place % len(data)] = byte
    part = journal.parse(bytes(data))
    assert len(part.records) >= len(records) - 1


def test_half_a_surrogate_pair_is_written_too(tmp_path):
    written = begin(tmp_path / "x.journal")
    written.append({"row": {"user_agent": "\udce4", "time": BEGAN}})
    assert journal.read(tmp_path / "x.journal").records[1]["row"] == {"user_agent": "\udce4", "time": BEGAN}


def test_another_capture_into_the_same_database_has_its_own_file(tmp_path):
    first, second = begin(tmp_path / "x.journal"), begin(tmp_path / "x.journal")
    assert first.path != second.path
    first.close()
    third = begin(tmp_path / "x.journal")
    assert third.path == tmp_path / "x.journal"
    assert len(journal.files_of(tmp_path / "x")) == 3, "what the first one left was overwritten"


def test_a_full_disk_is_no_error_and_nothing_is_lost_when_there_is_room_again(tmp_path):
    written = begin(tmp_path / "x.journal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))
        for number in range(40):
            written.append({"n": number, "some": "text"})
        assert written.trouble, "nobody is told that the disk is full"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    written.append({"n": 40})
    assert not written.trouble
    numbers = [record["n"] for record in journal.read(tmp_path / "x.journal").records[1:]]
    assert numbers == list(range(41))


@pytest.mark.parametrize("room", range(0, 260, 13))
def test_of_records_written_together_those_that_found_room_stay_and_the_others_come_later(tmp_path, monkeypatch, room):
    written = begin(tmp_path / "x.journal")
    full = SimpleNamespace(write=lambda descriptor, data: os.write(descriptor, data[:room]))
    with monkeypatch.context() as patched:
        patched.setattr(journal, "os", full)
        written.append(*({"n": number, "some": "text"} for number in range(5)))
    written.append({"n": 5})
    part = journal.read(tmp_path / "x.journal")
    assert [record["n"] for record in part.records[1:]] == list(range(6))
    assert part.damaged <= 1, "more than the one torn line was lost"


def test_a_long_journal_goes_on_in_new_files(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    monkeypatch.delenv("OAUTHTRACE_KEY")
    database = tmp_path / "x"
    (tmp_path / "x.key").write_text(KEY.hex())
    recorder = Recorder(begin(journal.name_of(database)), Redactor(KEY))
    follower = journal.Follower(recorder.journal.path)
    followed = []
    for number in range(30):
        take(recorder, redemption(f"code-{number}"), number)
        followed += [record["n"] for record in follower.read() if "row" in record]
    assert followed == list(range(30))
    assert len(journal.files_of(database)) > 3
    recorder.journal.close()
    with Store(database) as store:
        assert sorted(store.exchanges()["source_position"]) == list(range(30))
    assert journal.files_of(database) == []


# --- taking in ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path, monkeypatch) -> Path:
    """A database's path beside which a capture was killed."""
    monkeypatch.delenv("OAUTHTRACE_KEY")
    (tmp_path / "x.key").write_text(KEY.hex())
    recorder = Recorder(begin(tmp_path / "x.journal"), Redactor(KEY))
    for number in range(5):
        take(recorder, redemption(f"code-{number}"), number)
    take(recorder, flow_of("GET", "https://shop.test/"), 5)
    recorder.tally()
    recorder.journal.close()
    with (tmp_path / "x.journal").open("ab") as file:
        file.write(b"12345678 {torn")
    return tmp_path / "x"


def test_what_was_left_behind_is_taken_in_at_the_next_opening(left):
    with Store(left) as store:
        assert store.exchanges().height == 5
        (reading,) = store.inputs()
    assert (reading.file, reading.records, reading.exchanges, reading.hosts["shop.test"]) == ("a capture", 6, 5, 1)
    assert journal.files_of(left) == []


def test_nothing_is_taken_in_twice(left):
    copy = (left.parent / "x.journal").read_bytes()
    for _ in range(3):
        with Store(left) as store:
            assert store.exchanges().height == 5
            assert [reading.records for reading in store.inputs()] == [6]
        (left.parent / "x.journal").write_bytes(copy)


def test_a_journal_that_somebody_writes_is_left_to_him(left):
    with journal.owned(left.parent / "x.journal") as is_ours:
        assert is_ours
        with Store(left) as store, pytest.raises(StoreError, match="no such database"):
            store.exchanges()


def test_a_journal_made_with_another_key_stays_where_it_is(left):
    with Store(left) as store:
        assert store.exchanges().height == 5
    begin(left.parent / "x.journal", bytes(32)).close()
    with Store(left) as store:
        assert store.exchanges().height == 5
        with pytest.raises(StoreError, match="made with another key"):
            store.take_in_left_behind()
    assert journal.files_of(left)


def test_what_comes_while_it_is_taken_in_is_left_for_the_next_time(left, monkeypatch):
    """Under load there is always more; one transaction after another for the few rows of a moment took a whole processor."""
    file, one_more = (
        left.parent / "x.journal",
        b"\n".join((left.parent / "x.journal").read_bytes().split(b"\n")[:-1]) + b"\n",
    )
    steps = []

    def step(session: intake.Session, *place: object) -> object:
        assert len(steps) < 5, "take_in() does not come to an end while the journal grows"
        steps.append(original(session, *place))
        with file.open("ab") as growing:
            growing.write(one_more)
        return steps[-1]

    file.write_bytes(one_more)
    original = intake.Session.step
    monkeypatch.setattr(intake.Session, "step", step)
    assert Store(left).take_in(file) == 5
    assert len(steps) == 1


def test_a_damaged_line_is_counted(left):
    file = left.parent / "x.journal"
    lines = file.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"invalid_grant", b"invalid_grand")
    file.write_bytes(b"\n".join(lines))
    with Store(left) as store:
        assert store.exchanges().height == 4
        (reading,) = store.inputs()
    assert [reject.reason for reject in reading.rejects] == ["1 damaged lines of the journal"]


# --- prefilter ------------------------------------------------------------------------------------------------------------


def take(recorder: Recorder, flow: http.HTTPFlow, number: int) -> dict | None:
    return recorder.take([(flow, number)])[0] if recorder.concerns(flow) else None


def sample_flows() -> Iterator[http.HTTPFlow]:
    with (SAMPLES / "session.mitm").open("rb") as stream:
        yield from FlowReader(stream).stream()
    for file in sorted(SAMPLES.glob("*.har")):
        for entry in json.loads(file.read_text())["log"]["entries"]:
            if entry["response"]["status"]:
                yield request_to_flow(entry)


JSON, FORM = {"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"}
KEYS = b'{"keys": [{"kty": "RSA", "kid": "1", "n": "x", "e": "AQAB"}]}'
PACKED = {**JSON, "Content-Encoding": "gzip"}
TOLD = {
    "a bearer token": flow_of("GET", "https://api.test/v1/x", {"Authorization": "bEaReR abc"}),
    "a DPoP token": flow_of("GET", "https://api.test/v1/x", {"Authorization": "DPoP abc"}),
    "a challenge": flow_of("GET", "https://api.test/v1/x", status=401, answer_headers={"WWW-Authenticate": 'Bearer realm="x"'}),
    "parameters of a form": flow_of("POST", "https://id.test/x/y", FORM, b"grant_type=password&username=u"),
    "parameters in JSON": flow_of("POST", "https://id.test/x/y", JSON, b'{"grant_type": "client_credentials"}'),
    "parameters in multipart": flow_of("POST", "https://id.test/x/y", {"Content-Type": "multipart/form-data; boundary=b"}, b'--b\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\npassword\r\n--b--\r\n'),
    "a redirect by form_post": flow_of("POST", "https://app.test/x", FORM, b"code=abc&state=def"),
    "a redirect by JSON": flow_of("POST", "https://app.test/x", JSON, b'{"code": "abc", "state": "def"}'),
    "encoded names": flow_of("GET", "https://id.test/x?response%5Ftype=code&client%5Fid=a"),
    "keys at an odd place": flow_of("GET", "https://id.test/x", answer=KEYS, answer_headers=JSON),
    "keys, packed": flow_of("GET", "https://id.test/x", answer=KEYS, answer_headers=PACKED),
    "metadata at an odd place": flow_of("GET", "https://id.test/x", answer=b'{"issuer": "https://id.test", "jwks_uri": "https://id.test/k"}', answer_headers=JSON),
    "metadata of a resource": flow_of("GET", "https://api.test/x", answer=b'{"resource": "https://api.test", "authorization_servers": ["https://id.test"]}', answer_headers=JSON),
    "a token answer": flow_of("POST", "https://id.test/x", answer=b'{"access_token": "abc", "token_type": "Bearer"}', answer_headers={"Content-Type": "text/plain"}),
    "a page that tells of OAuth": flow_of("GET", "https://app.test/x", status=500, answer=b"<html>the access token was revoked (OAuth)"),
    "a provider's error page": flow_of("GET", "https://login.microsoftonline.com/kmsi", answer=b"<html>Sorry: AADSTS50011: The redirect URI does not match"),
}  # fmt: skip


@pytest.mark.parametrize("flow", TOLD.values(), ids=TOLD)
def test_what_tells_an_exchange_passes_the_prefilter(flow):
    assert observe(raw_exchange(flow), Redactor(KEY)) is not None, "this is no exchange to begin with"
    assert may_be_oauth(flow, ())


def test_the_prefilter_passes_every_exchange_of_the_samples():
    redactor, seen = Redactor(KEY), 0
    for flow in sample_flows():
        if observe(raw_exchange(flow), redactor) is not None:
            seen += 1
            assert may_be_oauth(flow, ()), f"{flow.request.method} {flow.request.path}"
    assert seen > 500


@pytest.mark.parametrize("path", ["/", "/shop/items/17?page=2", "/static/app.4711.js", "/api/orders"])
def test_other_traffic_is_not_looked_at(path):
    assert not may_be_oauth(flow_of("GET", f"https://shop.test{path}", answer=b"<html>goods"), ())


def test_what_a_stranger_chooses_is_remembered_only_when_it_is_short():
    caches = (
        prefilter._knows_path,
        prefilter._names_provider,
        mitmproxy_flow._known_name,
        mitmproxy_flow._known_origin,
    )
    long = "x" * 5000
    flow = flow_of("GET", f"https://id.test/{long}", {"Host": long, long: "y"}, answer=b"<html>", answer_headers={"Content-Type": "text/html", long: "y"})  # fmt: skip
    may_be_oauth(flow, ())
    raw_exchange(flow)
    for cache, arguments in zip(caches, ((long.encode(),), (long.encode(),), (long.encode(),), ("https", long)), strict=True):  # fmt: skip
        hits = cache.cache_info().hits
        cache(*arguments)
        assert cache.cache_info().hits == hits, f"{cache.__name__} remembers {len(long)} characters"


# --- an answer waits until it is kept ----------------------------------------------------------------------------------------


def test_flows_that_end_together_are_written_at_once_and_no_answer_goes_on_before(tmp_path, monkeypatch):
    database, kept_when_answered = tmp_path / "x.duckdb", []
    plain, alone, first, *others = flow_of("GET", "https://shop.test/"), *(redemption(f"code-{n}") for n in range(5))

    def records() -> list[dict]:
        return [record for record in journal.read(journal.name_of(database)).records if "row" in record]

    async def answer(addon: OAuthTrace, flow: http.HTTPFlow) -> None:
        await addon.response(flow)
        kept_when_answered.append(len(records()))

    async def play() -> None:
        addon = OAuthTrace()
        with taddons.context(ReadFile(), addon) as context:
            context.configure(addon, oauthtrace_db=str(database), oauthtrace_print=False)
            for flow in (plain, alone, first, *others):
                addon.requestheaders(flow)
            assert addon.response(plain) is None, "traffic that is not OAuth was held"
            await asyncio.to_thread(addon.response, alone)
            assert len(records()) == 1, "without an event loop nothing was kept"
            given_up, *waiting = [asyncio.ensure_future(answer(addon, flow)) for flow in (first, *others)]
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.wait(waiting, timeout=5)
            addon.done()

    writes = []
    monkeypatch.setattr(hook, "atexit", SimpleNamespace(register=lambda *_: None))  # this process goes on
    monkeypatch.setattr(journal.Journal, "append", lambda self, *records, append=journal.Journal.append: writes.append(len(records)) or append(self, *records))  # fmt: skip
    asyncio.run(play())
    assert kept_when_answered == [5, 5, 5], "an answer went on to its client before its exchange was kept"
    assert 4 in writes, f"the four exchanges were written as {writes}"


# --- what is kept ---------------------------------------------------------------------------------------------------------

KEPT: dict[str, tuple[Callable[[Recorder], None], int]] = {
    "resource calls": (lambda _: None, 3),
    "only those that fail": (lambda recorder: setattr(recorder, "keep_resource_calls", False), 2),
    "only some hosts": (lambda recorder: setattr(recorder, "hosts", ("api.test",)), 2),
}


@pytest.mark.parametrize(("choose", "kept"), KEPT.values(), ids=KEPT)
def test_what_is_kept_is_chosen(tmp_path, choose, kept):
    recorder = Recorder(begin(tmp_path / "x.journal"), Redactor(KEY))
    choose(recorder)
    bearer = {"Authorization": "Bearer abc", "Host": "v1.api.test"}
    flows = [
        redemption("x"),
        flow_of("GET", "https://v1.api.test/x", bearer),
        flow_of("GET", "https://v1.api.test/x", bearer, status=403),
    ]
    for number, flow in enumerate(flows):
        take(recorder, flow, number)
    assert recorder.kept == kept


def test_an_endpoint_is_known_from_its_metadata(tmp_path):
    recorder = Recorder(begin(tmp_path / "x.journal"), Redactor(KEY))
    document = (
        b'{"issuer": "https://id.test", "token_endpoint": "https://id.test/a/b", "jwks_uri": "https://id.test/c"}'
    )
    take(recorder, flow_of("GET", "https://id.test/x", answer=document, answer_headers=JSON), 0)
    row = take(recorder, flow_of("POST", "https://id.test/a/b", answer=b"<html>nothing"), 1)
    assert row is not None
    assert row["step"] == "token"


def test_a_connection_that_failed_is_kept_when_its_host_is_one_of_oauths(tmp_path):
    recorder = Recorder(begin(tmp_path / "x.journal"), Redactor(KEY))
    assert recorder.connection("shop.test", 443, "refused", "127.0.0.1", 0) is None
    assert recorder.connection("login.shop.test", 443, "refused", "127.0.0.1", 1) is not None
    assert recorder.connection("api.test", 443, "refused", "127.0.0.1", 2) is None
    take(recorder, flow_of("POST", "https://api.test/token", {"Host": "api.test", **FORM}, b"grant_type=password"), 3)
    row = recorder.connection("api.test", 443, "Connect call failed", "127.0.0.1", 4)
    assert row is not None
    assert row["transport_error"] == "Connect call failed"


def test_a_handshake_that_the_client_ends_is_kept_when_it_happens_again(tmp_path):
    recorder = Recorder(begin(tmp_path / "x.journal"), Redactor(KEY))
    error = "The client disconnected during the handshake. If this happens consistently …"

    def ended() -> bool:
        return recorder.connection("login.test", 443, error, None, 1) is not None

    assert not ended(), "a browser drops connections that it does not need"
    take(recorder, flow_of("GET", "https://login.test/x"), 2)
    assert not ended(), "a request came through in between"
    assert ended()


# --- redaction ------------------------------------------------------------------------------------------------------------

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqby1zZWNyZXQtc3ViamVjdCJ9.c2VjcmV0LXNpZ25hdHVyZQ"
SHOWN = {
    "bearer": (redact.header, ("Authorization", "Bearer abcdefgh12345678"), "Bearer token:"),
    "basic": (redact.header, ("Authorization", "Basic d2ViOnNlY3JldA=="), "Basic secret:"),
    "cookies": (redact.header, ("Cookie", "sid=abcdefgh12345678; theme=dark-abcdefgh12345678"), "sid=cookie:"),
    "set-cookie": (redact.header, ("Set-Cookie", "sid=abcdefgh12345678; Path=/; HttpOnly"), "; Path=/; HttpOnly"),
    "location": (redact.header, ("Location", "https://a.test/cb?code=abcdefgh12345678&x=1"), "&x=1"),
    "form": (redact.body, ("code=abcdefgh12345678&client_id=web", "application/x-www-form-urlencoded"), "client_id=web"),
    "json": (redact.body, ('{"a": [{"refresh_token": "abcdefgh12345678"}], "scope": "x"}', "application/json"), '"scope": "x"'),
    "multipart": (redact.body, ('--b\r\nContent-Disposition: form-data; name="code"\r\n\r\nabcdefgh12345678\r\n--b--', "multipart/form-data"), 'name="code"'),
    "html": (redact.body, ('<input name="id_token" value="' + JWT + '"> abcdefgh', "text/html"), "<input"),
}  # fmt: skip


@pytest.mark.parametrize(("show", "given_", "stays"), SHOWN.values(), ids=SHOWN)
def test_a_message_is_shown_without_its_secrets(show, given_, stays):
    shown = show(*given_, Redactor(KEY))
    assert stays in shown
    assert not [secret for secret in ("abcdefgh12345678", "d2ViOnNlY3JldA", "c2VjcmV0", "jo-secret") if secret in shown]


def test_the_redacted_har_is_whole_after_every_entry(tmp_path):
    file = tmp_path / "x.har"
    har = RedactedHar(file, Redactor(KEY))
    assert json.loads(file.read_text())["log"]["entries"] == []
    for number in range(3):
        har.add(redemption(f"abcdefgh12345678{number}"))
        assert len(json.loads(file.read_text())["log"]["entries"]) == number + 1
    har.close()
    assert "abcdefgh12345678" not in file.read_text()
    assert os.stat(file).st_size > 1000  # noqa: PTH116 - a path

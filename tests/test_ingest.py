"""Ingest is incremental and idempotent: whatever happens to the files between two runs."""

import bz2
import gzip
import lzma
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oauthtrace.store import Store

KEY = bytes(range(32))
ACCESS = '10.0.0.{m} - - [02/Mar/2026:09:{m:02d}:{n:02d} +0000] "GET /authorize?response_type=code&client_id=web&state=state{n}&redirect_uri=https%3A%2F%2Fapp.test%2Fcb HTTP/1.1" {status} 0 "-" "Mozilla/5.0"\n'
JSON = '{{"time": "2026-03-02T09:{m:02d}:{n:02d}Z", "request_method": "POST", "request_uri": "/oauth/token?client_id=c{n}", "status": {status}, "host": "idp.test"}}\n'
TRACE = """2026-03-02 09:{m:02d}:{n:02d},120 ERROR auth: token exchange failed for client_id=web{n}
Traceback (most recent call last):
  File "app.py", line {n}, in callback

    token = client.fetch_token(url)
oauthlib.oauth2.rfc6749.errors.InvalidGrantError: (invalid_grant) code {status} expired
"""
PLAIN = "2026-03-02 09:{m:02d}:{n:02d},000 INFO served / in 3 ms\n"
KINDS = {"access": ACCESS, "json": JSON, "trace": TRACE + PLAIN}


def lines(kind, first, last, m=1):
    return "".join(KINDS[kind].format(n=n, m=m, status=400 if n % 3 else 302) for n in range(first, last)).encode()


def facts(store):
    return store.exchanges().drop("source_file").sort("id").to_dicts()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


class Place:
    """A folder with a database; files in it count as written long ago."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store(folder / "kept.duckdb", key=KEY)

    def write(self, name, data, *, mode="wb", age_s=3600):
        file = self.folder / name
        with file.open(mode) as handle:
            handle.write(data)
        moment = time.time() - age_s
        os.utime(file, (moment, moment))
        return file

    def ingest(self, *names):
        return self.store.ingest([self.folder / name for name in names])

    def added(self, *names):
        return sum(reading.added for reading in self.ingest(*names))

    def held(self):
        return self.store.exchanges().height


# --- any split gives the same -----------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    count=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 4000), max_size=4),
    live=st.booleans(),
)
def test_any_split_of_a_log_gives_what_one_run_gives(kind, count, cuts, live):
    whole = lines(kind, 0, count)
    with tempfile.TemporaryDirectory() as folder:
        once, often = Place(Path(folder)), Place(Path(folder) / "often")
        often.folder.mkdir()
        once.write("app.log", whole)
        (single,) = once.ingest("app.log")
        ends = [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
        for begin, end in zip([0, *ends], ends, strict=False):
            often.write("app.log", whole[begin:end], mode="ab", age_s=0 if live and end < len(whole) else 3600)
            last = often.ingest("app.log")[0] if end else None
        assert last is not None
        assert facts(often.store) == facts(once.store)
        assert (last.records, last.rejected, last.exchanges) == (single.records, single.rejected, single.exchanges)
        assert often.store.rejects().drop("file").rows() == once.store.rejects().drop("file").rows()


# --- what happens to files --------------------------------------------------------------------------------------------


def again(place):
    pass


def touched(place):
    os.utime(place.folder / "app.log")


def renamed(place):
    (place.folder / "app.log").rename(place.folder / "app.log.1")


def copied(place):
    shutil.copy(place.folder / "app.log", place.folder / "copy.log")


def compressed(suffix, pack):
    def run(place):
        file = place.folder / "app.log"
        place.write(f"app.log.1.{suffix}", pack(file.read_bytes()))
        file.unlink()

    return run


SAME = {
    "read again": again,
    "touched": touched,
    "renamed": renamed,
    "copied": copied,
    "gz": compressed("gz", gzip.compress),
    "bz2": compressed("bz2", bz2.compress),
    "xz": compressed("xz", lzma.compress),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("happens", SAME.values(), ids=SAME)
def test_the_same_content_is_not_counted_twice(place, kind, happens):
    place.write("app.log", lines(kind, 0, 9))
    place.ingest("*.log*")
    before = facts(place.store)
    happens(place)
    readings = place.ingest("*.log*")
    assert [reading.added for reading in readings] == [0] * len(readings)
    assert facts(place.store) == before
    assert len(place.store.inputs()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotated_log_loses_no_line_though_only_its_name_is_read(place, kind):
    place.write("app.log", lines(kind, 0, 5))
    place.ingest("app.log")
    place.write("app.log", lines(kind, 5, 8), mode="ab")
    (place.folder / "app.log").rename(place.folder / "app.log.1")
    place.write("app.log", lines(kind, 0, 4, m=2))
    assert place.added("app.log") == 7
    assert {Path(reading.file).name for reading in place.store.inputs()} == {"app.log", "app.log.1"}


def test_copytruncate(place):
    file = place.write("app.log", lines("access", 0, 5))
    place.ingest("app.log")
    shutil.copy(file, place.folder / "app.log.1")
    with file.open("r+b") as handle:
        handle.truncate(0)
        handle.write(lines("access", 0, 3, m=2))
    readings = place.ingest("app.log", "app.log.1")
    assert sum(reading.added for reading in readings) == 3
    assert any("truncated" in note for reading in readings for note in reading.notes)
    assert place.held() == 8


def test_a_growing_log_gives_only_its_new_lines(place):
    place.write("app.log", lines("access", 0, 5))
    assert place.added("app.log") == 5
    place.write("app.log", lines("access", 5, 7), mode="ab")
    assert place.added("app.log") == 2
    assert place.store.exchanges()["source_position"].sort().to_list() == list(range(1, 8))


def test_a_half_written_last_line_is_left_for_the_next_run(place):
    whole = lines("access", 0, 3)
    place.write("app.log", whole[:-20], age_s=0)
    (reading,) = place.ingest("app.log")
    assert (reading.added, reading.rejected) == (2, 0)
    place.write("app.log", whole[-20:], mode="ab", age_s=0)
    assert place.added("app.log") == 1


def test_a_last_line_without_its_end_is_read_once_nobody_writes_any_more(place):
    place.write("app.log", lines("access", 0, 3).rstrip(b"\n"))
    assert place.added("app.log") == 3
    place.write("app.log", b"\n" + lines("access", 3, 4), mode="ab")
    assert place.added("app.log") == 1


def test_two_logs_with_equal_first_lines_are_two_logs(place):
    banner = b"# service started\n"
    place.write("a.log", banner + lines("access", 0, 5))
    place.write("b.log", banner + lines("access", 20, 27, m=3))
    assert place.added("a.log", "b.log") == 12
    assert place.added("a.log", "b.log") == 0


def test_equal_lines_are_as_many_exchanges(place):
    place.write("app.log", lines("access", 1, 2) * 4)
    assert place.added("app.log") == 4


def test_a_capture_is_read_whole_and_its_entries_once(place):
    import json

    def har(count):
        entry = {
            "startedDateTime": "2026-03-02T09:00:00Z", "time": 5,
            "request": {"method": "POST", "url": "https://idp.test/token", "headers": [], "postData": {"mimeType": "application/x-www-form-urlencoded", "text": "grant_type=authorization_code&code=abcdefgh&client_id=web"}},
            "response": {"status": 400, "headers": [], "content": {"mimeType": "application/json", "text": '{"error":"invalid_grant"}'}},
        }  # fmt: skip
        return json.dumps(
            {
                "log": {
                    "version": "1.2",
                    "entries": [entry | {"startedDateTime": f"2026-03-02T09:00:{n:02d}Z"} for n in range(count)],
                }
            }
        ).encode()

    place.write("a.har", har(3))
    assert place.added("a.har") == 3
    place.write("a.har", har(5))
    assert place.added("a.har") == 2
    shutil.copy(place.folder / "a.har", place.folder / "b.har")
    assert place.added("a.har", "b.har") == 0
    assert [reading.exchanges for reading in place.store.inputs()] == [5]


def test_the_database_in_a_folder_that_is_read_is_passed_over(place):
    place.write("app.log", lines("access", 0, 2))
    place.store.ingest([place.folder])
    assert [reading.added for reading in place.store.ingest([place.folder])] == [0]


def test_what_can_not_be_read_does_not_stop_the_rest(place):
    place.write("a.bin", bytes(range(256)) * 40)
    place.write("b.log", b"")
    place.write("c.log", lines("access", 0, 2) + b"\xff\xfe caf\xe9\n" + lines("access", 2, 3))
    place.write("d.log.gz", gzip.compress(lines("access", 0, 59, m=9) * 9, mtime=0)[:-30])
    readings = {Path(reading.file).name: reading for reading in place.ingest("*")}
    assert readings["a.bin"].format == "unknown"
    assert readings["a.bin"].rejects
    assert readings["b.log"].notes == ["the file is empty"]
    assert (readings["c.log"].records, readings["c.log"].exchanges) == (4, 3)
    assert readings["d.log.gz"].exchanges > 0
    assert readings["d.log.gz"].rejects[-1].reason.startswith("reading stopped here")

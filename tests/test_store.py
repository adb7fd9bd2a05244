"""The database: what it keeps, what it refuses, and that others can read while it is written."""

import multiprocessing
import stat
import time

import duckdb
import polars as pl
import pytest

from oauthtrace import exchange
from oauthtrace.store import LOCK_WAIT_S, Store, StoreError

LINE = '10.0.0.{n} - - [02/Mar/2026:09:14:{n:02d} +0000] "GET /authorize?response_type=code&client_id=web&state=s{n}&redirect_uri=https%3A%2F%2Fapp.test%2Fcb HTTP/1.1" 302 0 "-" "Mozilla/5.0"\n'


@pytest.fixture(autouse=True)
def no_key_of_the_environment(monkeypatch):
    monkeypatch.delenv("OAUTHTRACE_KEY")


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "access.log"
    file.write_text("".join(LINE.format(n=n) for n in range(10)))
    return file


@pytest.fixture
def db(tmp_path, log):
    file = tmp_path / "kept.duckdb"
    with Store(file) as store:
        store.ingest([log])
    return file


def test_reads_back_the_schema_exactly(db, log):
    from oauthtrace.privacy import Redactor
    from oauthtrace.sources.intake import read_inputs

    with Store(db) as store:
        kept = store.exchanges()
    assert dict(kept.schema) == exchange.SCHEMA
    ((_, read),) = read_inputs([log], Redactor(bytes.fromhex(db.with_name("kept.duckdb.key").read_text())))
    assert kept.sort("source_position").equals(read.sort("source_position"))


def test_the_table_has_every_column_of_the_schema():
    from oauthtrace.store import TABLES, sql_type

    assert {name: sql_type(dtype) for name, dtype in exchange.SCHEMA.items()}.items() <= TABLES["exchanges"].items()


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        (None, None, 10),
        ("2026-03-02T09:14:05", None, 5),
        (None, "2026-03-02T09:14:03", 3),
        ("2026-03-02T09:14:02", "2026-03-02T09:14:04", 2),
    ],
)
def test_bounds_of_time(db, since, until, count):
    from datetime import datetime

    bounds = [text and datetime.fromisoformat(text) for text in (since, until)]
    with Store(db) as store:
        assert store.exchanges(*bounds).height == count


def test_the_key_lies_beside_the_database_and_not_in_it(db):
    key = db.with_name("kept.duckdb.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert bytes.fromhex(key.read_text()) not in db.read_bytes()
    assert key.read_text().encode() not in db.read_bytes()


def test_nothing_is_open_between_two_calls(db):
    with Store(db) as store:
        assert store.exchanges().height == 10
        with duckdb.connect(db) as con:
            con.execute("select 1")


def test_no_secret_reaches_the_file(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(
        '10.0.0.1 - - [02/Mar/2026:09:14:05 +0000] "GET /callback?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj HTTP/1.1" 302 0 "-" "x"\nerror: client_secret=hunter2hunter2 invalid_client\n'
    )
    with Store(tmp_path / "s.duckdb") as store:
        store.ingest([log])
    data = (tmp_path / "s.duckdb").read_bytes()
    assert not [secret for secret in (b"SplxlOBeZQQYbYS6WxSbIA", b"af0ifjsldkj", b"hunter2hunter2") if secret in data]


def newer(file):
    with duckdb.connect(file) as con:
        con.execute("update meta set value = '99' where name = 'schema'")


def foreign(file):
    file.unlink()
    with duckdb.connect(file) as con:
        con.execute("create table sales (n integer)")


UNUSABLE = {
    "newer schema": (newer, "newer oauthtrace"),
    "other tables": (foreign, "none of oauthtrace's"),
    "no database": (lambda file: file.write_text("Hello, this is a text file.\n" * 500), "not a DuckDB database"),
    "not there": (lambda file: file.unlink(), "no such database"),
}


@pytest.mark.parametrize(("damage", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_says_in_one_line_why_a_file_cannot_be_used(db, damage, says):
    damage(db)
    with Store(db) as store, pytest.raises(StoreError) as raised:
        store.exchanges()
    assert says in str(raised.value)
    assert str(raised.value).startswith(str(db))
    assert "\n" not in str(raised.value)


def lose(key):
    key.unlink()


def replace(key):
    key.write_text("00" * 32)


def spoil(key):
    key.write_text("no key")


@pytest.mark.parametrize(("damage", "says"), [(lose, "missing"), (replace, "not the key"), (spoil, "not a key")])
def test_without_its_key_it_can_be_read_but_takes_nothing_in(db, log, damage, says):
    damage(db.with_name("kept.duckdb.key"))
    with Store(db) as store:
        assert store.exchanges().height == 10
        with pytest.raises(StoreError, match=says):
            store.ingest([log])


def test_a_folder_that_does_not_exist(tmp_path, log):
    with Store(tmp_path / "nowhere" / "x.duckdb") as store, pytest.raises(StoreError, match="can't be opened"):
        store.ingest([log])


def test_a_column_added_to_the_schema_later_is_added_to_the_file(db, log):
    with duckdb.connect(db) as con:
        con.execute("alter table exchanges drop column challenge")
    with Store(db) as store:
        assert dict(store.exchanges().schema) == exchange.SCHEMA
        with log.open("a") as file:
            file.write(LINE.format(n=11))
        (reading,) = store.ingest([log])
        assert (reading.added, store.exchanges().height) == (1, 11)


def hold(file, begun, seconds):
    with duckdb.connect(file) as con:
        con.execute("select 1")
        begun.set()
        time.sleep(seconds)


@pytest.mark.parametrize(("held_s", "is_read"), [(0.5, True), (LOCK_WAIT_S + 2, False)])
def test_another_process_is_waited_for_but_not_forever(db, held_s, is_read):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    other = context.Process(target=hold, args=(str(db), begun, held_s))
    other.start()
    try:
        assert begun.wait(20)
        started = time.monotonic()
        with Store(db) as store:
            if is_read:
                assert store.exchanges().height == 10
            else:
                with pytest.raises(StoreError, match="another process"):
                    store.exchanges()
        assert time.monotonic() - started < LOCK_WAIT_S + 1
    finally:
        other.terminate()
        other.join()


def test_rejects_are_kept_with_their_place(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(
        "".join(LINE.format(n=n) for n in range(40))
        + '10.0.0.1 - - [02/Mar/2026:09:14:05 +0000] "GET /authorize?client_id=web\n'
        + LINE.format(n=6)
    )
    with Store(tmp_path / "r.duckdb") as store:
        (reading,) = store.ingest([log])
        rejects = store.rejects()
    assert (reading.records, reading.exchanges, reading.rejected) == (42, 41, 1)
    assert rejects.select("file", "position").rows() == [(str(log), 41)]
    assert isinstance(rejects, pl.DataFrame)

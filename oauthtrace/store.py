"""The database: one DuckDB file that holds exchanges, what was read of each input, and what could not be read.

Every call opens the file, does its work in one short transaction and closes it, so that other processes can read
between two batches of a long ingest. An exchange is kept once, whatever file it was read from: its id tells.

The key of the fingerprints belongs to the database but lies beside it, in ``FILE.key`` (mode 0600): whoever is given
the database alone can compare fingerprints and can guess nothing. Without the key a database can be analysed but takes
nothing in any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb
import polars as pl

from oauthtrace import exchange
from oauthtrace.capture import intake, journal
from oauthtrace.privacy import Redactor, key_check
from oauthtrace.sources import Reading, Reject, opening
from oauthtrace.sources.choosing import AS_IT_COMES, How
from oauthtrace.sources.resume import STATE, Resumer, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from oauthtrace.sources.intake import Progress

SCHEMA_VERSION = 1
LOCK_WAIT_S = 2.0
"""So long a call waits for another process to close the file."""
BATCH_ROWS = 50_000
BATCH_S = 1.0
"""Rows are written when there are so many, or after so many seconds."""

_SQL_TYPES: dict[Any, str] = {pl.String: "VARCHAR", pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.Boolean: "BOOLEAN"}
REJECTS: dict[str, str] = {"input": "VARCHAR", "position": "BIGINT", "reason": "VARCHAR", "excerpt": "VARCHAR"}


class StoreError(Exception):
    """The database can't be used; the message names the file, the reason and the remedy in one line."""

    is_locked = False
    """Whether another process has the file, so that trying again helps."""


def sql_type(dtype: Any) -> str:
    """The DuckDB type of a column of :data:`oauthtrace.exchange.SCHEMA`."""
    if isinstance(dtype, pl.List):
        return f"{sql_type(dtype.inner)}[]"
    return "TIMESTAMP" if isinstance(dtype, pl.Datetime) else _SQL_TYPES[dtype]


TABLES: dict[str, dict[str, str]] = {
    "meta": {"name": "VARCHAR PRIMARY KEY", "value": "VARCHAR"},
    "exchanges": {name: sql_type(dtype) for name, dtype in exchange.SCHEMA.items()} | {"input": "VARCHAR"},
    "inputs": STATE,
    "rejects": {"input": "VARCHAR", "position": "BIGINT", "reason": "VARCHAR", "excerpt": "VARCHAR"},
}
"""Tables and their columns. Times are UTC without zone."""


@dataclass(slots=True)
class _Batch:
    """What the next transaction writes."""

    steps: list[Step] = field(default_factory=list)
    rows: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, step: Step) -> None:
        self.steps.append(step)
        self.rows += len(step.rows)

    def is_due(self) -> bool:
        return self.rows >= BATCH_ROWS or time.monotonic() - self.since > BATCH_S


class Store:
    """A database file, to be used with ``with``.

    Args:
        path: the file; :meth:`ingest` makes it when it is not there, reading does not.
        key: fingerprint key, at least 16 bytes, instead of the one in ``FILE.key``.
    """

    def __init__(self, path: str | Path, key: bytes | None = None) -> None:
        self.path = Path(path)
        self._given_key = key

    def __enter__(self) -> Self:
        with contextlib.suppress(StoreError):  # it stays where it is; what is asked next says why
            self.take_in_left_behind()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open between two calls."""

    @property
    def key_file(self) -> Path:
        """Where the key of the fingerprints lies."""
        return self.path.with_name(f"{self.path.name}.key")

    # --- reading ---------------------------------------------------------------------------------------------------

    def exchanges(self, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
        """The exchanges in ``[since, until)`` (UTC without zone), columns of the schema.

        Raises:
            StoreError: the database can't be read.
        """
        bounds = [("time >= ?", since), ("time < ?", until)]
        where = " and ".join(["true", *(text for text, bound in bounds if bound is not None)])
        query = f"select * from exchanges where {where}"  # noqa: S608 - texts of this function
        with self._open(read_only=True) as con:
            frame = pl.DataFrame(con.sql(query, params=[bound for _, bound in bounds if bound is not None]))
        missing = [pl.lit(None).alias(name) for name in exchange.SCHEMA if name not in frame.columns]
        return frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in exchange.SCHEMA.items())

    def inputs(self) -> list[Reading]:
        """One reading an input, with its tally over all runs, in the order in which they were first read."""
        with self._open(read_only=True) as con:
            counts, rejects = _counts(con), _kept_rejects(con)
            rows = pl.DataFrame(con.sql("select * from inputs order by rowid"))
        out = []
        for row in rows.iter_rows(named=True):
            reading = Reading(
                row["file"],
                Redactor(bytes(16)),
                row["format"],
                row["records"],
                counts.get(row["input"], 0),
                row["rejected"],
            )
            reading.rejects = rejects.get(row["input"], [])
            reading.notes, reading.hosts = list(row["notes"] or ()), Counter(json.loads(row["hosts"] or "{}"))
            reading.origin, reading.lines_before = row["origin"] or "", row["lines"] or 0
            out.append(reading)
        return out

    def rejects(self) -> pl.DataFrame:
        """The records that could not be read: file, format, position, reason, excerpt (redacted)."""
        query = "select file, format, r.position, reason, excerpt from rejects r join inputs using (input) order by file, r.position"
        with self._open(read_only=True) as con:
            return pl.DataFrame(con.sql(query))

    # --- taking in -------------------------------------------------------------------------------------------------

    def ingest(
        self, paths: Iterable[str | Path], *, how: How = AS_IT_COMES, progress: Progress | None = None
    ) -> list[Reading]:
        """Take in what is new in some inputs since they were read last.

        Args:
            paths: files, folders, globs, or ``-``.
            how: what the user says of the inputs.
            progress: called with the file and the bytes read.

        Returns:
            One reading an input: its tally over all runs, ``added`` for this one.

        Raises:
            oauthtrace.sources.opening.UnreadableInput: a path that names nothing.
            StoreError: the database can't be written.
        """
        files = [file for file in opening.expand(paths) if not self.is_own(file)]
        with self._open() as con:
            key = self._key(con)
            states = pl.DataFrame(con.sql("select * from inputs order by rowid"))
        resumer = Resumer(key, {row["input"]: row for row in states.iter_rows(named=True)}, how, progress)
        batch, added, readings = _Batch(), Counter[str](), dict[int, tuple[Reading, str]]()
        for step in resumer.read(files):
            readings[id(step.reading)] = step.reading, step.input
            batch.add(step)
            if batch.is_due():
                added += self._write(batch)
                batch = _Batch()
        added += self._write(batch)
        return self._tallied(list(readings.values()), added)

    def take_in_left_behind(self) -> None:
        """Take in the journals of live captures that ended without doing so themselves, and remove them.

        Raises:
            StoreError: the database can't be written, or a journal was made with another key.
        """
        for file in journal.files_of(self.path):
            with journal.owned(file) as is_ours:
                if is_ours:
                    self.take_in(file)
                    file.unlink(missing_ok=True)

    def take_in(self, file: Path) -> int:
        """Move what is new of a live capture's journal into the database: what it holds now, not what comes meanwhile.

        Each part is one transaction with how far it reaches, so that nothing is taken in twice.

        Returns:
            How many exchanges are new.

        Raises:
            StoreError: the database can't be written, or the journal was made with another key.
        """
        with self._said_of(file):
            header, until = intake.header_of(file), file.stat().st_size
        if header is None:
            return 0
        added, session = 0, None
        while True:
            with self._open() as con:
                session = session or self._session(con, file, header)
                with self._said_of(file):
                    step = session.step(file, header["segment"])
                if step is None:
                    return added
                batch = _Batch()
                batch.add(step)
                added += _transact(con, batch).total()
            if session.position >= until:
                return added

    def _session(self, con: duckdb.DuckDBPyConnection, file: Path, header: journal.Record) -> intake.Session:
        """What a live capture has come to, to go on from there."""
        key = self._key(con)
        if header["key_check"] != key_check(key):
            raise StoreError(f"{file}: made with another key than {self.path}; put that key into {self.key_file}")
        states = pl.DataFrame(con.sql("select * from inputs where input = ?", params=[header["session"]]))
        return intake.Session(header, Redactor(key), next(states.iter_rows(named=True), None))

    @contextlib.contextmanager
    def _said_of(self, file: Path) -> Iterator[None]:
        """Why a journal can't be read, as one line."""
        try:
            yield
        except (OSError, intake.JournalError) as error:
            raise StoreError(f"{file}: {getattr(error, 'strerror', None) or error}") from error

    def is_own(self, file: str) -> bool:
        """Whether a file is the database itself, or lies beside it for its sake."""
        own = {self.path.name, self.key_file.name, f"{self.path.name}.wal"}
        name = Path(file).name
        is_own = name in own or name.startswith(journal.name_of(self.path).name)
        return file != "-" and is_own and Path(file).resolve().parent == self.path.resolve().parent

    def _tallied(self, readings: list[tuple[Reading, str]], added: Counter[str]) -> list[Reading]:
        """The readings with the exchanges that the database holds of their streams."""
        with self._open(read_only=True) as con:
            counts, rejects = _counts(con), _kept_rejects(con)
        for reading, key in readings:
            reading.exchanges, reading.added = counts.get(key, 0), added.pop(key, 0)
            reading.rejects = rejects.get(key) or reading.rejects
        return [reading for reading, _ in readings]

    def _write(self, batch: _Batch) -> Counter[str]:
        """One transaction: rows that are not there yet, what their inputs have come to, what was rejected.

        Returns:
            How many exchanges are new, by input.
        """
        if not any(step.rows or step.state for step in batch.steps):
            return Counter()
        with self._open() as con:
            return _transact(con, batch)

    # --- the file --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _open(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """The open file, its tables made or its version checked; other processes are waited for."""
        is_new = not self.path.exists()
        if is_new and read_only:
            raise StoreError(f"{self.path}: no such database; `oauthtrace ingest PATH... --db {self.path}` makes it")
        con = self._connect(read_only=read_only)
        try:
            with self._said():
                self._prepare(con, read_only=read_only)
                yield con
        finally:
            with contextlib.suppress(duckdb.Error):
                con.close()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + LOCK_WAIT_S
        pause = 0.02
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only)
            except duckdb.Error as error:
                if not _is_locked(error) or time.monotonic() > deadline:
                    raise self._error(error) from error
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)

    def _prepare(self, con: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        tables = {row[0] for row in con.execute("select table_name from information_schema.tables").fetchall()}
        if tables and not {"meta", "exchanges", "inputs", "rejects"} <= tables:
            raise StoreError(f"{self.path}: a DuckDB file, but none of oauthtrace's; choose another name")
        if not tables and read_only:
            raise StoreError(
                f"{self.path}: the database is empty; `oauthtrace ingest PATH... --db {self.path}` fills it"
            )
        if tables:
            found = int(dict(con.execute("select name, value from meta").fetchall()).get("schema", 0))
            if found > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path}: made by a newer oauthtrace (schema {found}, this one knows {SCHEMA_VERSION}); update oauthtrace"
                )
        if not read_only:
            _make_tables(con)
            if not tables:
                created = datetime.now(UTC).isoformat(timespec="seconds")
                con.executemany(
                    "insert into meta values (?, ?)", [["schema", str(SCHEMA_VERSION)], ["created", created]]
                )

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """DuckDB's errors as one line."""
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        text = str(error)
        lowered = text.lower()
        file = self.path
        if _is_locked(error):
            locked = StoreError(
                f"{file}: another process has it open for writing and did not let go within {LOCK_WAIT_S:g} s; try again when it is done"
            )
            locked.is_locked = True
            return locked
        if "no space left" in lowered or "enospc" in lowered or "could not write" in lowered:
            return StoreError(
                f"{file}: the disk is full; nothing of the last batch was kept, make room and run the same command again"
            )
        if (
            "not a valid duckdb" in lowered
            or "not a database" in lowered
            or "unable to deserialize" in lowered
            or "corrupt" in lowered
        ):
            return StoreError(f"{file}: not a DuckDB database, or a damaged one; choose another name for --db")
        if "version number" in lowered or "serialization version" in lowered:
            return StoreError(
                f"{file}: written by another version of DuckDB than the installed one ({duckdb.__version__}); update duckdb"
            )
        if (
            "permission denied" in lowered
            or "read-only" in lowered
            or "cannot open file" in lowered
            or isinstance(error, OSError)
        ):
            return StoreError(
                f"{file}: can't be opened here (no such folder, or no permission to write); choose another place for --db"
            )
        return StoreError(f"{file}: {text.splitlines()[0] if text else type(error).__name__}")

    # --- the key ---------------------------------------------------------------------------------------------------

    def _key(self, con: duckdb.DuckDBPyConnection) -> bytes:
        """The key of the fingerprints, made with the database; it must be the one that the database was begun with."""
        check = dict(con.execute("select name, value from meta").fetchall()).get("key_check")
        key = self._given_key or self._read_key(may_make=check is None)
        own = key_check(key)
        if check is None:
            con.execute("insert or replace into meta values ('key_check', ?)", [own])
        elif check != own:
            raise StoreError(
                f"{self.key_file}: not the key that {self.path} was begun with, fingerprints would not match; put the right one back, or ingest into a new file"
            )
        return key

    def _read_key(self, *, may_make: bool) -> bytes:
        if given := os.environ.get("OAUTHTRACE_KEY"):
            return bytes.fromhex(given)
        try:
            return bytes.fromhex(self.key_file.read_text().strip())
        except FileNotFoundError:
            if not may_make:
                raise StoreError(
                    f"{self.key_file}: the key of {self.path} is missing; put it back, or ingest into a new file"
                ) from None
        except ValueError:
            raise StoreError(
                f"{self.key_file}: not a key (hexadecimal digits); put the right one back, or ingest into a new file"
            ) from None
        key = secrets.token_bytes(32)
        with os.fdopen(os.open(self.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(key.hex())
        return key


def _is_locked(error: Exception) -> bool:
    text = str(error).lower()
    return "could not set lock" in text or "conflicting lock" in text or "being used by another process" in text


# --- statements -------------------------------------------------------------------------------------------------------


def _make_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, and the columns that a newer version of this schema has added."""
    found: dict[str, set[str]] = {}
    for table, column in con.execute("select table_name, column_name from information_schema.columns").fetchall():
        found.setdefault(table, set()).add(column)
    for table, columns in TABLES.items():
        if table not in found:
            con.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
            continue
        for name in columns.keys() - found[table]:
            con.execute(f"alter table {table} add column {name} {columns[name]}")


def _transact(con: duckdb.DuckDBPyConnection, batch: _Batch) -> Counter[str]:
    """One transaction, see :meth:`Store._write`."""
    removed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="oauthtrace-") as folder:
        con.execute("begin")
        for step in batch.steps:
            if step.reopened is not None:
                removed += _reopen(con, step.input, step.reopened)
        added = _write_rows(con, batch.steps, Path(folder))
        for step in batch.steps:
            if step.state:
                _write_state(con, step)
        con.execute("commit")
    added.subtract(removed)
    return added


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Exchanges of each input."""
    return dict(con.execute("select input, count(*) from exchanges group by input").fetchall())


def _kept_rejects(con: duckdb.DuckDBPyConnection) -> dict[str, list[Reject]]:
    """The first rejects of each input, in the order of their positions."""
    query = "select input, position, reason, excerpt from rejects qualify row_number() over (partition by input order by position) <= ? order by position"
    kept: dict[str, list[Reject]] = {}
    for key, *reject in con.execute(query, [Reading.KEPT_REJECTS]).fetchall():
        kept.setdefault(key, []).append(Reject(*reject))
    return kept


def _reopen(con: duckdb.DuckDBPyConnection, key: str, line: int) -> Counter[str]:
    """Take back what is read again: of a log what stands behind a line, of a capture (-1) only its rejects."""
    if line < 0:
        con.execute("delete from rejects where input = ?", [key])
        return Counter()
    con.execute("delete from rejects where input = ? and position > ?", [key, line])
    gone = con.execute(
        "delete from exchanges where input = ? and source_position > ? returning id", [key, line]
    ).fetchall()
    return Counter({key: len(gone)})


def _write_rows(con: duckdb.DuckDBPyConnection, steps: list[Step], folder: Path) -> Counter[str]:
    """Insert exchanges that are not there yet, by way of a Parquet file: rows one by one take a hundred times as long."""
    frames = [exchange.frame(step.rows).with_columns(input=pl.lit(step.input)) for step in steps if step.rows]
    if not frames:
        return Counter()
    rows = pl.concat(frames).unique("id", keep="first", maintain_order=True)
    file = folder / "rows.parquet"
    rows.write_parquet(file, compression="lz4")
    columns = ", ".join(rows.columns)
    insert = f"insert into exchanges ({columns}) select {columns} from read_parquet(?) anti join exchanges using (id) returning input"  # noqa: S608
    return Counter(row[0] for row in con.execute(insert, [str(file)]).fetchall())


def _write_state(con: duckdb.DuckDBPyConnection, step: Step) -> None:
    state = step.state or {}
    if step.renamed:
        con.execute("update exchanges set source_file = ? where input = ?", [state["file"], step.input])
    if state["format"] == "unknown":
        con.execute("delete from rejects where input = ?", [step.input])
    insert = f"insert or replace into inputs ({', '.join(state)}) values ({', '.join('?' * len(state))})"  # noqa: S608 - names of STATE
    con.execute(insert, list(state.values()))
    for reject in step.reading.rejects:
        con.execute("insert into rejects values (?, ?, ?, ?)", [step.input, *reject])

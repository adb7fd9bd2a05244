"""Inputs, one after another, in lists of rows of bounded length: opened, their format chosen, read, tallied.

A file of lines can be read from where an earlier run stopped (:class:`Place`); what an application is still writing,
a last line without its end or a last entry that may still grow, is left to the next run.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from oauthtrace import exchange
from oauthtrace.sources import Reading, Row, opening, unmarked
from oauthtrace.sources.carriers import Setting
from oauthtrace.sources.choosing import AS_IT_COMES, Choice, How, choose
from oauthtrace.sources.peeling import Inside, Peeled
from oauthtrace.sources.places import Cut

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from oauthtrace.privacy import Redactor

FRAME_ROWS = 50_000
LIVE_S = 10.0
"""A plain file changed within so many seconds is still being written: its unfinished last line is left for later."""
TAIL_BYTES = 65_536
CHUNK_BYTES = 1 << 20

Progress = Callable[[str, int], None]
"""Called with the file and the (decompressed) bytes read so far."""


@dataclass(slots=True)
class Place:
    """Where reading a file of lines begins and, afterwards, where the next run goes on.

    Attributes:
        position: decompressed bytes in front of it.
        lines: lines in front of it.
        tail: the last bytes in front of it, at most TAIL_BYTES; they tell whether a file is the one that was read.
        complete: nothing was left for later, neither a half-written line nor an entry that may still grow.
        open_records: records read from here on that the next run reads again.
        resumed: whether earlier runs have read what is in front of it.
    """

    position: int = 0
    lines: int = 0
    tail: bytes = b""
    complete: bool = True
    open_records: int = 0
    resumed: bool = False


def read_inputs(
    paths: Iterable[str | Path], redactor: Redactor, *, how: How = AS_IT_COMES, progress: Progress | None = None
) -> Iterator[tuple[Reading, pl.DataFrame]]:
    """Every input, read in frames of bounded size; the reading's tally is complete when its last frame has come.

    An input that can't be read is a reading of format ``unknown`` that says why.

    Raises:
        oauthtrace.sources.opening.UnreadableInput: a path that names nothing.
    """
    for file in list(opening.expand(paths)):
        reading = Reading(file, redactor)
        for rows in read_rows(file, reading, how, progress):
            yield reading, exchange.frame(rows)


def read_rows(
    file: str,
    reading: Reading,
    how: How = AS_IT_COMES,
    progress: Progress | None = None,
    place: Place | None = None,
) -> Iterator[list[Row]]:
    """One input as lists of rows of bounded length; at least one list, possibly empty.

    Args:
        file: path, or ``-`` for standard input.
        reading: takes format, tally, rejects and notes.
        how: what the user says of the inputs.
        progress: called as bytes are read.
        place: where to begin; set to where the next run goes on. Without it everything is read, to the last byte.
    """
    try:
        raw = opening.open_input(file)
    except opening.UnreadableInput as error:
        reading.reject(None, str(error).removeprefix(f"{file}: "))
        reading.settle_tally()
        yield []
        return
    with raw:
        watched = _Watched(raw, file, progress)
        yielded = False
        try:
            for rows in _batches(watched, file, reading, how, place):
                yielded = True
                yield rows
        except Exception as error:  # noqa: BLE001 - any bytes may come, and foreign formats raise what they like
            reading.reject(None, f"can't be read on: {type(error).__name__}: {error}")
        if watched.error:
            reading.reject(reading.records + 1 if reading.records else None, f"reading stopped here: {watched.error}")
        reading.settle_tally()
        if not yielded:
            yield []


def _batches(raw: _Watched, file: str, reading: Reading, how: How, place: Place | None) -> Iterator[list[Row]]:
    head, stream = opening.with_first_lines(cast("BinaryIO", raw))
    choice = choose(head, reading, how)
    if choice is None:
        return
    reading.format, reading.zone = choice.name, how.zone
    if choice.by_line:
        reading.origin = origin_of(head, reading.redactor)
    if place is None or not choice.by_line:
        yield from _listed(_inside(choice, stream, file, reading).rows())
        return
    reading.lines_before = place.lines
    if raw.seek(place.position):
        stream = cast("BinaryIO", raw)
    else:
        skip(stream, place.position)
    live = is_live(file)
    tap = Tap(stream, place, leave_last=live)
    inside = _inside(choice, cast("BinaryIO", io.BufferedReader(tap, CHUNK_BYTES)), file, reading, leave_open=live)
    yield from _listed(inside.rows())
    inside.settle(tap)


@dataclass(slots=True)
class _Inside:
    """What is in an input's carriers, if it has any."""

    choice: Choice
    stream: BinaryIO
    reading: Reading
    peeled: Peeled | None = None

    def rows(self) -> Iterator[Row]:
        """The rows of the format that is inside."""
        if self.peeled is None:
            yield from self.choice.form.read(self.stream, self.reading)
            return
        if getattr(self.choice.form, "BY_LINE", False):
            self.reading.outer = self.peeled
        try:
            yield from self.choice.form.read(cast("BinaryIO", Inside(self.peeled)), self.reading)
        finally:
            self.reading.outer = None
            self.reading.records += self.peeled.left_out
            if self.peeled.error:
                self.reading.reject(None, f"reading stopped here: {self.peeled.error}")

    def settle(self, tap: Tap) -> None:
        """Move the place back to where something may still grow."""
        if self.peeled is None:
            tap.settle(getattr(self.choice.form, "starts", None))
        elif self.peeled.cut is not None:
            tap.cut(self.peeled.cut, self.peeled.records)


def _inside(choice: Choice, stream: BinaryIO, file: str, reading: Reading, *, leave_open: bool = False) -> _Inside:
    if not choice.chain:
        return _Inside(choice, stream, reading)
    peeled = Peeled(
        stream,
        choice.chain,
        Setting(reading.zone, opening.changed(file)),
        document=choice.document,
        starts=getattr(choice.form, "starts", None),
        leave_open=leave_open,
        levels=choice.form.NAME == "text",
        provider_in=getattr(choice.form, "provider_in", None),
    )
    return _Inside(choice, stream, reading, peeled)


def _listed(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in lists of FRAME_ROWS; what was read before an error is not lost."""
    batch: list[Row] = []
    try:
        for row in rows:
            batch.append(row)
            if len(batch) >= FRAME_ROWS:
                yield batch
                batch = []
    except Exception:
        yield batch
        raise
    if batch:
        yield batch


# --- growing files ----------------------------------------------------------------------------------------------------


def origin_of(head: bytes, redactor: Redactor) -> str:
    """What tells a stream of lines from others, by its first line that is not empty: 16 hex digits."""
    line = head.lstrip(b"\r\n").partition(b"\n")[0]
    text = unmarked(redactor.text(line[:2000].decode("utf-8", "replace").strip()))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def is_live(file: str) -> bool:
    """Whether a file may be in the middle of being written: plain, and changed a moment ago."""
    path = opening.path_of(file)
    if file == "-":
        return opening.standard_input is not None and not opening.standard_input.ended
    if path is None or opening.is_compressed(path):
        return False
    return time.time() - os.stat(path).st_mtime < LIVE_S  # noqa: PTH116 - a path string, once per file


def skip(stream: BinaryIO, size: int) -> None:
    """Pass over the first bytes of a stream."""
    while size > 0 and (data := stream.read(min(size, CHUNK_BYTES))):
        size -= len(data)


class Tap(io.RawIOBase):
    """Passes whole lines on and keeps count of them in a :class:`Place`.

    Args:
        stream: what is read.
        place: its position, lines and tail go on as bytes are passed.
        leave_last: an unfinished last line is not passed on but left for later; otherwise it is, and stays open.
    """

    def __init__(self, stream: BinaryIO, place: Place, *, leave_last: bool) -> None:
        self._stream, self._place, self._leave_last = stream, place, leave_last
        self._ready, self._held = memoryview(b""), b""
        self._begin, self._lines = place.position, place.lines
        place.complete, place.open_records = True, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what is next of whole lines; 0 at the end."""
        while not self._ready:
            chunk = self._stream.read(CHUNK_BYTES)
            if not chunk:
                return self._last(buffer)
            whole, newline, rest = chunk.rpartition(b"\n")
            if newline:
                self._pass(self._held + whole + newline)
                self._held = rest
            else:
                self._held += chunk
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _pass(self, data: bytes) -> None:
        place = self._place
        place.position += len(data)
        place.lines += data.count(b"\n")
        place.tail = (place.tail + data)[-TAIL_BYTES:]
        self._ready = memoryview(data)

    def _last(self, buffer: bytearray | memoryview) -> int:
        """The unfinished last line: passed on without moving the place, so that the next run reads it again."""
        if not self._held:
            return 0
        self._place.complete = not self._leave_last
        if self._leave_last:
            return 0
        self._place.open_records = 1
        size = min(len(buffer), len(self._held))
        buffer[:size], self._held = self._held[:size], self._held[size:]
        return size

    def settle(self, starts: Callable[[str], bool] | None) -> None:
        """Where records span lines: move the place back to the beginning of the last one, which may still grow."""
        place = self._place
        if starts is None or place.position == self._begin:
            return
        run = place.position - self._begin
        lines = place.tail[-run:].split(b"\n")[:-1]
        first = len(lines) if run <= len(place.tail) else -1
        size = records = 0
        for count, line in enumerate(reversed(lines), 1):
            size += len(line) + 1
            records += bool(line.strip(b"\r"))
            if count == first or (count < len(lines) and starts(line.decode("utf-8", "replace").rstrip("\r"))):
                place.position -= size
                place.lines -= count
                place.open_records += records
                place.tail = place.tail[:-size]
                return

    def cut(self, cut: Cut, records: int) -> None:
        """Where carriers were taken off: move the place back to a line from which on something may still grow.

        Args:
            cut: that line, counted from where this run began.
            records: all that were read.
        """
        place = self._place
        back = place.position - (self._begin + cut.offset)
        place.position -= back
        place.lines = self._lines + cut.line - 1
        place.open_records = records - cut.records
        place.tail = place.tail[:-back] if 0 < back < len(place.tail) else b"" if back else place.tail
        place.complete = place.complete and not self._leave_last


class _Watched:
    """A stream that tells how much of it was read, and that ends where it can't be read on: ``error`` says why."""

    PIECE_BYTES = 65_536
    """A broken compressed stream loses no more than its last piece."""

    def __init__(self, stream: BinaryIO, file: str, progress: Progress | None) -> None:
        self._stream, self._file, self._progress, self._size = stream, file, progress, 0
        plain = isinstance(stream, io.BufferedReader) and not isinstance(stream.raw, opening.Framed)
        self._most = CHUNK_BYTES * 16 if plain else self.PIECE_BYTES
        self._read: Callable[[int], bytes] = stream.read if plain else getattr(stream, "read1", stream.read)
        self.error: str | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._read(min(size, self._most)) if size >= 0 else self._stream.read()
        except Exception as error:  # noqa: BLE001 - each decompressor raises its own
            self.error = str(error) or type(error).__name__
            return b""
        self._size += len(data)
        if self._progress:
            self._progress(self._file, self._size)
        return data

    def seek(self, position: int) -> bool:
        """Go on reading from a position; false where the stream can't."""
        if not (position and self._stream.seekable()):
            return False
        self._stream.seek(position)
        self._size = position
        return True

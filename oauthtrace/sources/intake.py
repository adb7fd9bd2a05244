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
from oauthtrace.sources import CERTAIN_ENOUGH, HEAD_BYTES, Reading, Row, by_line, formats, opening, unmarked, weigh

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
    paths: Iterable[str | Path],
    redactor: Redactor,
    *,
    input_format: str | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Reading, pl.DataFrame]]:
    """Every input, read in frames of bounded size; the reading's tally is complete when its last frame has come.

    An input that can't be read is a reading of format ``unknown`` that says why.

    Raises:
        oauthtrace.sources.opening.UnreadableInput: a path that names nothing.
    """
    for file in list(opening.expand(paths)):
        reading = Reading(file, redactor)
        for rows in read_rows(file, reading, input_format, progress):
            yield reading, exchange.frame(rows)


def read_rows(
    file: str,
    reading: Reading,
    input_format: str | None = None,
    progress: Progress | None = None,
    place: Place | None = None,
) -> Iterator[list[Row]]:
    """One input as lists of rows of bounded length; at least one list, possibly empty.

    Args:
        file: path, or ``-`` for standard input.
        reading: takes format, tally, rejects and notes.
        input_format: name of the format, instead of sniffing.
        progress: called as bytes are read.
        place: where to begin; set to where the next run goes on. Without it everything is read, to the last byte.
    """
    try:
        raw = opening.open_input(file)
    except opening.UnreadableInput as error:
        reading.reject(None, str(error).removeprefix(f"{file}: "))
        yield []
        return
    with raw:
        watched = _Watched(raw, file, progress)
        yielded = False
        try:
            for rows in _batches(watched, file, reading, input_format, place):
                yielded = True
                yield rows
        except Exception as error:  # noqa: BLE001 - any bytes may come, and foreign formats raise what they like
            reading.reject(None, f"can't be read on: {type(error).__name__}: {error}")
        if watched.error:
            reading.reject(reading.records + 1 if reading.records else None, f"reading stopped here: {watched.error}")
        if not yielded:
            yield []


def _batches(
    raw: _Watched, file: str, reading: Reading, input_format: str | None, place: Place | None
) -> Iterator[list[Row]]:
    head, stream = opening.with_head(cast("BinaryIO", raw), HEAD_BYTES)
    chosen = input_format or choose(head, reading)
    if chosen is None:
        return
    reading.format = chosen
    if not by_line(chosen):
        yield from _listed(formats()[chosen].read(stream, reading))
        return
    reading.origin = origin_of(head, reading.redactor)
    if place is None:
        yield from _listed(formats()[chosen].read(stream, reading))
        return
    reading.lines_before = place.lines
    if raw.seek(place.position):
        stream = cast("BinaryIO", raw)
    else:
        skip(stream, place.position)
    tap = Tap(stream, place, leave_last=is_live(file))
    yield from _listed(formats()[chosen].read(io.BufferedReader(tap, CHUNK_BYTES), reading))
    tap.settle(getattr(formats()[chosen], "starts", None))


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


def choose(head: bytes, reading: Reading) -> str | None:
    """The format of an input by its first bytes; None, with the reason in the reading, when it is nothing to read."""
    if not head.strip():
        reading.notes.append("the file is empty")
        return None
    scored = weigh(head)
    best, name = scored[0]
    if best >= CERTAIN_ENOUGH:
        return name
    if any(score > 0 and other == "text" for score, other in scored):
        return "text"
    binary = b"\0" in head
    reading.reject(
        None,
        "not text and no known capture format" if binary else "no known format",
        "" if binary else head[:60].decode("utf-8", "replace"),
    )
    return None


# --- growing files ----------------------------------------------------------------------------------------------------


def origin_of(head: bytes, redactor: Redactor) -> str:
    """What tells a stream of lines from others, by its first line that is not empty: 16 hex digits."""
    line = head.lstrip(b"\r\n").partition(b"\n")[0]
    text = unmarked(redactor.text(line[:2000].decode("utf-8", "replace").strip()))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def is_live(file: str) -> bool:
    """Whether a file may be in the middle of being written: plain, and changed a moment ago."""
    if file == "-" or opening.is_compressed(file):
        return False
    return time.time() - os.stat(file).st_mtime < LIVE_S  # noqa: PTH116 - a path string, once per file


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
        self._begin = place.position
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


class _Watched:
    """A stream that tells how much of it was read, and that ends where it can't be read on: ``error`` says why."""

    PIECE_BYTES = 65_536
    """A broken compressed stream loses no more than its last piece."""

    def __init__(self, stream: BinaryIO, file: str, progress: Progress | None) -> None:
        self._stream, self._file, self._progress, self._size = stream, file, progress, 0
        plain = isinstance(stream, io.BufferedReader)
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

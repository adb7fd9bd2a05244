"""Taking carriers off: a stream of what was in them, in lines, that remembers where each line stood.

Positions stay those of the file's own lines. Pieces of a line are joined, then lines that continue an entry are put
behind it, each per source, so that two containers that write at the same time do not cut each other's stack traces.
Memory is bounded: by the blocks that a reader may still ask about, and by the longest line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from math import isnan, nan
from typing import Any, BinaryIO

import polars as pl

from oauthtrace.oauth.observe import naive_utc
from oauthtrace.sources import Row, lines
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.joining import Entries, Entry, Pieces
from oauthtrace.sources.places import BEGINS, TIME_WINS, Cut, Mark, Places

_OUT_BYTES = 1 << 20
_ANCHOR = re.compile(r"(?<![\\\[])[\^$]")
_STAMP = re.compile(r"(?<!\d)\d\d:\d\d:\d\d(?![:\d])(?:[.,]\d+)?(?P<zone>\"?,? ?(?:Z|[+-]\d\d:?\d\d|UTC|GMT)\b)?")
_STAMP_WITHIN = 300
_LEVELLESS = re.compile(r"\s*\{|.{0,60}\d\d:\d\d:\d\d", re.DOTALL)


class Peeled(io.RawIOBase):
    """What is in carriers, as lines.

    Args:
        stream: what is to be peeled, from the beginning of a line.
        chain: the carriers, the outermost first.
        setting: of the input.
        document: the outermost one is no file of lines.
        starts: whether a line surely begins an entry, where the format's records span lines.
        leave_open: pieces of a line whose end is not there yet are left for later.
        levels: put the writer's severity in front of lines that show none.
        provider_in: the product that a writer's name tells.
    """

    def __init__(
        self,
        stream: BinaryIO,
        chain: Sequence[Any],
        setting: Setting,
        *,
        document: bool = False,
        starts: Callable[[str], bool] | None = None,
        leave_open: bool = False,
        levels: bool = False,
        provider_in: Callable[[str], str | None] | None = None,
    ) -> None:
        self._stream, self._chain, self._setting = stream, chain, setting
        self._leave_open, self._levels, self._provider_in = leave_open, levels, provider_in
        self._pattern: str | None = None
        self._stages = [Pieces(carrier, setting) for carrier in (chain[1:] if document else chain)]
        self._entries = Entries(starts) if starts is not None else None
        self._places = Places()
        self._out: list[bytes] = []
        self._out_size = 0
        self._ready = memoryview(b"")
        self._line = self._offset = 0
        self.records = 0
        """Those that were handed on or left out."""
        self._here = Cut(1, 0, 0)
        self._chunks = self._of_document() if document else self._of_lines()
        self.left_out = 0
        """Records that were not handed on, less those that a reader counts too much: it counts lines."""
        self.cut: Cut | None = None
        """At the end: from where on something may still grow; None when nothing may."""
        self.error: str | None = None
        """Why reading stopped early."""

    # --- what a reader sees -----------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """Yes."""
        return True

    def narrow(self, pattern: str) -> None:
        """From now on hand on only lines in which a Rust pattern may match; the others are counted.

        A pattern that asks for the beginning or the end of a line can't be looked for in what the line stands in.
        """
        self._pattern = None if _ANCHOR.search(pattern) else pattern

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what is next of the inner lines; 0 at the end."""
        while not self._ready:
            chunk = self._next_chunk()
            if chunk is None:
                return 0
            self._ready = memoryview(chunk)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _next_chunk(self) -> bytes | None:
        try:
            return next(self._chunks, None)
        except Exception as error:  # noqa: BLE001 - any bytes may come; what was read before must not be lost
            self.error = str(error) or type(error).__name__
            self._chunks = iter([self._end()])
            return next(self._chunks)

    # --- what a reading sees ----------------------------------------------------------------------------------------

    def line(self, number: int) -> int:
        """The line of the file in which an inner line stood."""
        place = self._places.at(number)
        return number if place is None else place.line

    def settle(self, row: Row, number: int) -> tuple[int, int]:
        """That line, and the how manieth of it the inner line is; a row without a sure time is given the carrier's."""
        place = self._places.at(number)
        if place is None:
            return number, 0
        if not isnan(place.time) and (row.get("time") is None or place.flags & TIME_WINS):
            row["time"] = naive_utc(place.time)
        if row.get("provider") is None and self._provider_in is not None:
            row["provider"] = self._provider_in(self._places.source(place))
        return place.line, place.again

    def begins(self, number: int) -> bool:
        """Whether an inner line surely is the first of an entry, whatever it looks like."""
        place = self._places.at(number)
        return place is not None and bool(place.flags & BEGINS)

    # --- peeling ----------------------------------------------------------------------------------------------------

    def _of_lines(self) -> Iterator[bytes]:
        for block in lines.blocks(self._stream):
            whole, newline, rest = block.rpartition(b"\n")
            self._here = Cut(self._line + 1, self._offset, self.records)
            wanted = self._wanted(whole + newline, self._pattern) if self._pattern is not None and newline else None
            if wanted is None:
                yield from self._every(block)
                continue
            before = self._line
            for place, text in wanted:
                self._line = before + place + 1
                self._take(Inner(text.rstrip("\r")))
                yield from self._full()
            self._line = before + whole.count(b"\n") + 1
            self._offset += len(whole) + 1
            if rest:
                yield from self._every(rest)
        yield self._end()

    def _every(self, block: bytes) -> Iterator[bytes]:
        """All lines of a block; an unfinished one at its end may still grow."""
        raws = block.split(b"\n")
        unfinished = len(raws) if raws[-1] else None
        for index, raw in enumerate(raws if unfinished else raws[:-1], 1):
            self._line += 1
            self._here = Cut(self._line, self._offset, self.records)
            if index == unfinished:
                self.cut = self._clean()
            if text := raw.decode("utf-8", "replace").rstrip("\r"):
                self._take(Inner(text.removeprefix("\ufeff") if self._line == 1 else text))
            self._offset += len(raw) + 1
            yield from self._full()

    def _wanted(self, block: bytes, pattern: str) -> list[tuple[int, str]] | None:
        """(0-based place, line) of the lines in which the pattern may match; None when all have to be looked at.

        That is so where pieces of lines are about, which hide what stands across them.
        """
        if any(stage.open for stage in self._stages) or any(hasattr(s.carrier, "WHOLE") for s in self._stages[1:]):
            return None
        frame = lines.frame_of(block).with_row_index("place").drop_nulls()
        text = pl.col("line")
        if (whole := getattr(self._chain[0], "WHOLE", None)) and not frame["line"].str.contains(whole).all():
            return None
        closed = [escapes for stage in self._stages if (escapes := getattr(stage.carrier, "CLOSED", None))]
        plain = text.str.replace_all(r'\\+"', '"') if '"' in pattern else text
        wanted = frame.filter(plain.str.contains(pattern) | text.str.contains("|".join(closed) or "$^"))
        self.left_out += (others := self._count(frame, wanted))
        self.records += others
        return list(zip(wanted["place"].to_list(), wanted["line"].to_list(), strict=True))

    def _count(self, frame: pl.DataFrame, wanted: pl.DataFrame) -> int:
        """How many records those lines hold that are not wanted."""
        if (each := getattr(self._chain[0], "EACH", None)) is None:
            return frame.height - wanted.height
        others = frame.join(wanted, on="place", how="anti")["line"]
        return int(others.str.count_matches(each).clip(1).sum())

    def _of_document(self) -> Iterator[bytes]:
        for inner in self._chain[0].records(self._stream, self._setting):
            self._line += 1
            self._here = Cut(self._line, 0, self.records)
            self._take(inner)
            yield from self._full()
        yield self._end()

    def _take(self, inner: Inner) -> None:
        """Pass a line of the file, or a record of a document, through all carriers."""
        mark = Mark(self._line, 0, self._clean())
        self._through(inner, mark, 0)

    def _clean(self) -> Cut:
        """The last place in front of the present line at which no line lies in pieces."""
        cuts = [cut for stage in self._stages if stage.open and (cut := stage.since()) is not None]
        return min([*cuts, self._here]) if cuts else self._here

    def _through(self, inner: Inner, mark: Mark, depth: int) -> None:
        if depth == len(self._stages):
            self._entry(inner, mark)
            return
        found = self._stages[depth].peel(inner, mark)
        if found == []:  # a record in which there is nothing to hand on
            self.left_out += 1
            self.records += 1
        for index, (one, at) in enumerate(found or ()):
            self._through(one, at._replace(again=at.again + index) if index else at, depth + 1)

    def _entry(self, inner: Inner, mark: Mark) -> None:
        self.records += 1
        if self._entries is None:
            self._emit(inner, mark, begins=True)
            return
        for entry in self._entries.add(inner, mark, self._line):
            self._emit_entry(entry)

    def _emit_entry(self, entry: Entry) -> None:
        for index, (inner, mark) in enumerate(entry.lines):
            self._emit(inner, mark, begins=index == 0)

    def _emit(self, inner: Inner, mark: Mark, *, begins: bool) -> None:
        """Hand a record on: one or several lines; the record counts once."""
        text = inner.text
        if self._levels and inner.level and not _LEVELLESS.match(text):
            text = f"{inner.level} {text}"
        handed = 0
        time = nan if inner.time is None else inner.time
        flags = TIME_WINS if inner.zoned and inner.time is not None and _zoneless(text) else 0
        for index, part in enumerate(text.split("\n")):
            raw = part.rstrip("\r").encode("utf-8", "replace") + b"\n"
            handed += len(raw) > 1
            self._out.append(raw)
            self._out_size += len(raw)
            self._places.add(
                mark, index, time, flags | (BEGINS if begins and index == 0 else 0), len(raw), inner.source
            )
        self.left_out += 1 - handed

    def _full(self) -> Iterator[bytes]:
        if self._out_size >= _OUT_BYTES:
            yield self._flush()

    def _flush(self) -> bytes:
        out = b"".join(self._out)
        self._out, self._out_size = [], 0
        return out

    def _end(self) -> bytes:
        """The rest, when the file is at its end; says what may still grow."""
        cuts = [cut for stage in self._stages if (cut := stage.since()) is not None]
        if self._entries is not None and (cut := self._entries.cut()) is not None:
            cuts.append(cut)
        self.cut = min([*cuts, *([self.cut] if self.cut else [])], default=None)
        if not self._leave_open:
            for depth, stage in enumerate(self._stages):
                for inner, mark in stage.rest():
                    self._through(inner, mark, depth + 1)
        if self._entries is not None:
            for entry in self._entries.rest():
                self._emit_entry(entry)
        return self._flush()


class Inside(io.BufferedReader):
    """A buffered :class:`Peeled`, which can be narrowed."""

    def __init__(self, peeled: Peeled) -> None:
        super().__init__(peeled, _OUT_BYTES)
        self.narrow = peeled.narrow


def _zoneless(text: str) -> bool:
    """Whether the first time of day in a line has no zone, so that the carrier's time is surer."""
    match = _STAMP.search(text, 0, _STAMP_WITHIN)
    return match is not None and match["zone"] is None

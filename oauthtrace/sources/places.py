"""Where the lines that were in carriers stand in the file, when they were written and by whom."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from oauthtrace.sources import lines

REMEMBERED_BYTES = 4 * lines.BLOCK_BYTES
"""So much of what was handed on a reader may still ask about; it reads less ahead."""
SEGMENT_BYTES = 1 << 20
"""So much is forgotten at a time."""
TIME_WINS, BEGINS = 1, 2
"""Flags of a line: the carrier's time is surer than its own; it is the first of an entry."""


class Cut(NamedTuple):
    """A place in the file in front of which every record is whole.

    Attributes:
        line: 1-based line behind it.
        offset: bytes in front of it, counted from where reading began.
        records: records in front of it.
    """

    line: int
    offset: int
    records: int


class Mark(NamedTuple):
    """Where a record stood: its line, the how manieth of that line it is, and the last cut in front of it."""

    line: int
    again: int
    cut: Cut


class Place(NamedTuple):
    """Where an inner line stood, when it was written, what is known of it, and by whom it was written, as a number."""

    line: int
    again: int
    time: float
    flags: int
    source: int


class Places:
    """For each inner line: the file's line, and the carrier's time. Keeps what a reader may still ask about."""

    @dataclass(slots=True)
    class _Segment:
        first: int
        size: int = 0
        lines: array[int] = field(default_factory=lambda: array("q"))
        agains: array[int] = field(default_factory=lambda: array("l"))
        times: array[float] = field(default_factory=lambda: array("d"))
        flags: bytearray = field(default_factory=bytearray)
        sources: array[int] = field(default_factory=lambda: array("l"))

    def __init__(self) -> None:
        self._segments: deque[Places._Segment] = deque([self._Segment(1)])
        self._size = 0
        self._names: dict[str, int] = {}

    def add(self, mark: Mark, index: int, time: float, flags: int, size: int, source: str) -> None:
        segment = self._segments[-1]
        if segment.size > SEGMENT_BYTES:
            segment = self._Segment(segment.first + len(segment.lines))
            self._segments.append(segment)
            while self._size - self._segments[0].size > REMEMBERED_BYTES:
                self._size -= self._segments.popleft().size
        segment.lines.append(mark.line)
        segment.agains.append(mark.again + index)
        segment.times.append(time)
        segment.flags.append(flags)
        segment.sources.append(self._names.setdefault(source, len(self._names)))
        segment.size += size
        self._size += size

    def at(self, number: int) -> Place | None:
        segments = list(self._segments)
        index = bisect_right(segments, number, key=lambda s: s.first) - 1
        place = number - segments[index].first
        if index < 0 or place >= len(segments[index].lines):
            return None
        s = segments[index]
        return Place(s.lines[place], s.agains[place], s.times[place], s.flags[place], s.sources[place])

    def source(self, place: Place) -> str:
        """Who wrote a line."""
        return next(islice(self._names, place.source, None))

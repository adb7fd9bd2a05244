"""Lines that came in pieces, and lines that make one entry: joined, each source's for itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from oauthtrace.sources import lines
from oauthtrace.sources.carriers import Inner, Setting
from oauthtrace.sources.places import Cut, Mark

ENTRY_LINES = 200
"""An entry ends when so many lines of other sources came behind its last one."""


@dataclass(slots=True)
class Piece:
    """A line whose end is still to come."""

    mark: Mark
    inner: Inner
    texts: list[str] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class Entry:
    """Lines that belong together, and the file's line of the last of them."""

    mark: Mark
    lines: list[tuple[Inner, Mark]] = field(default_factory=list)
    last: int = 0


class Pieces:
    """One carrier, and the lines that it brought in pieces so far."""

    def __init__(self, carrier: Any, setting: Setting) -> None:
        self.carrier, self._setting = carrier, setting
        self.open: dict[str, Piece] = {}

    def peel(self, outer: Inner, mark: Mark) -> list[tuple[Inner, Mark]] | None:
        """What is whole now, each with its mark; None when that is only a piece of something.

        A record that is none of the carrier's is handed on as it is.
        """
        found = self.carrier.peel(outer.text, self._setting)
        if found is None:
            return [(outer, mark)]
        whole = []
        held = None
        for one in found:
            inner = _merged(outer, one)
            held = self.open.get(inner.source)
            if held is None and not inner.open:
                whole.append((inner, mark))
                continue
            if held is None:
                held = self.open[inner.source] = Piece(mark, inner)
            if held.size <= lines.LONGEST_LINE:  # what is longer is cut, and rejected by whoever reads it
                held.texts.append(inner.text)
                held.size += len(inner.text)
            if not inner.open:
                del self.open[inner.source]
                whole.append((_joined(held), held.mark))
        return whole or (None if held else [])

    def since(self) -> Cut | None:
        """The last place in front of all pieces that wait for their end."""
        return min((held.mark.cut for held in self.open.values()), default=None)

    def rest(self) -> list[tuple[Inner, Mark]]:
        """The pieces whose end never came."""
        held, self.open = list(self.open.values()), {}
        return [(_joined(one), one.mark) for one in held]


class Entries:
    """Lines that belong together, per source: one that does not begin an entry is put behind the one before it."""

    def __init__(self, starts: Callable[[str], bool]) -> None:
        self._starts = starts
        self._open: dict[str, Entry] = {}
        self._spans: deque[Entry] = deque(maxlen=ENTRY_LINES)

    def add(self, inner: Inner, mark: Mark, line: int) -> list[Entry]:
        """The entries that have ended with this line."""
        ended = []
        if len(self._open) > 1:
            late = [s for s, entry in self._open.items() if line - entry.last > ENTRY_LINES]
            ended += [self._close(source) for source in late]
        entry = self._open.get(inner.source)
        if entry is not None and (line - entry.last > ENTRY_LINES or self._starts(inner.text.partition("\n")[0])):
            ended.append(self._close(inner.source))
            entry = None
        if entry is None:
            entry = self._open[inner.source] = Entry(mark)
        entry.lines.append((inner, mark))
        entry.last = line
        return ended

    def _close(self, source: str) -> Entry:
        entry = self._open.pop(source)
        if entry.last > entry.mark.cut.line:
            self._spans.append(entry)
        return entry

    def cut(self) -> Cut | None:
        """The last place in front of all open entries that lies inside of none; None when nothing is open."""
        cut = min((entry.mark.cut for entry in self._open.values()), default=None)
        if cut is None:
            return None
        for entry in reversed(self._spans):
            if entry.mark.cut.line < cut.line <= entry.last:
                cut = entry.mark.cut
        return cut

    def rest(self) -> list[Entry]:
        """The entries that the end of the file has ended."""
        held, self._open = list(self._open.values()), {}
        return held


def _merged(outer: Inner, inner: Inner) -> Inner:
    """A record with what the carriers around it know: the innermost sure time counts."""
    if outer.time is None and not outer.source and not outer.level:
        return inner
    takes_outer = outer.time is not None and (inner.time is None or (outer.zoned and not inner.zoned))
    return inner._replace(
        time=outer.time if takes_outer else inner.time,
        zoned=outer.zoned if takes_outer else inner.zoned,
        source=f"{outer.source}/{inner.source}" if outer.source else inner.source,
        level=inner.level or outer.level,
    )


def _joined(held: Piece) -> Inner:
    return held.inner._replace(text="".join(held.texts), open=False)

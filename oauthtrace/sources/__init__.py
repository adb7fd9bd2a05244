"""How records come in. One module of ``gateways/``, ``events/`` or ``captures/`` is one format; listing is the registry.

A format module declares:

- ``NAME``: the name that ``--input-format`` takes and that ``inputs[].format`` shows;
- ``TITLE``: one line for ``oauthtrace formats``;
- ``SEES``: what this vantage point can know at all (see :data:`oauthtrace.exchange.COLUMNS`, column ``sees``);
- ``sniff(head) -> float``: 0 (certainly not) to 1 (certainly), from the first records alone;
- ``read(stream, reading) -> Iterator[row]``: rows of the schema; what can't be read goes to ``reading.reject``;
- ``BY_LINE`` (optional, default false): positions are lines, and reading may begin at any line, so that a file that
  has grown is read from where the last run stopped; other formats are read whole each time;
- ``starts(line) -> bool`` (optional, with ``BY_LINE``): whether a line surely begins a record, where records span lines.

Compression, containers and file names are nobody's business here: see :mod:`oauthtrace.sources.opening` and ``carriers/``.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any, BinaryIO, NamedTuple, Protocol

from oauthtrace.oauth.observe import exchange_id
from oauthtrace.privacy import Redactor

Row = dict[str, Any]
HEAD_BYTES = 65_536
CERTAIN_ENOUGH = 0.5
"""Below this score no format is taken; the input is read as ``text`` if it is text, else not at all."""


_ID_FACTS = ("time", "method", "host", "path", "step", "status", "client_id", "duration_ms")
_MARKS = re.compile(r"\b[a-z]+:[0-9a-f]{8}\b")


def unmarked(text: str) -> str:
    """A redacted text without its fingerprints: the same whatever the key was."""
    return _MARKS.sub("", text)


class Reject(NamedTuple):
    """A record that can't be read: kept, never lost. ``excerpt`` is redacted."""

    position: int | None
    reason: str
    excerpt: str


@dataclass(slots=True)
class Reading:
    """One input as it is read: its tally, and what its reader needs."""

    file: str
    redactor: Redactor
    format: str = "unknown"
    records: int = 0
    exchanges: int = 0
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hosts: Counter[str] = field(default_factory=Counter)
    origin: str = ""
    """What tells this stream of lines from others whatever its file is called; empty for captures."""
    lines_before: int = 0
    """Lines that earlier runs have read: reading began behind them."""
    added: int = 0
    """Exchanges that this run added to the database."""

    KEPT_REJECTS = 1000

    def reject(self, position: int | None, reason: str, excerpt: str = "") -> None:
        """Count a record that can't be read; the first thousand are kept with their reason."""
        self.rejected += 1
        if len(self.rejects) < self.KEPT_REJECTS:
            place = None if position is None else self.lines_before + position
            self.rejects.append(Reject(place, reason, self.redactor.text(excerpt[:300])))

    def place(self, row: Row, position: int) -> Row:
        """Say in a row where it was read, and give it its id.

        The id is made of the record's place in its stream and of facts that no key changes: not of the file's name,
        so that a rotated, copied or compressed file gives the same ids.
        """
        position += self.lines_before
        row["source_file"], row["source_format"], row["source_position"] = self.file, self.format, position
        stream = self.origin or ("" if row.get("time") else self.file.rsplit("/", 1)[-1])
        row["id"] = exchange_id(stream, position, *(unmarked(str(row.get(name))) for name in _ID_FACTS))
        self.exchanges += 1
        return row


class Format(Protocol):
    """What a format module offers."""

    NAME: str
    TITLE: str
    SEES: tuple[str, ...]
    sniff: Callable[[bytes], float]
    read: Callable[[BinaryIO, Reading], Iterator[Row]]


def by_line(name: str) -> bool:
    """Whether a format is read line by line, so that reading may go on where it stopped."""
    return bool(getattr(formats().get(name), "BY_LINE", False))


@cache
def formats() -> dict[str, Format]:
    """Name -> format module: those of this folder, then those that other packages offer as ``oauthtrace.sources``."""
    found: dict[str, Any] = {}
    for module_info in pkgutil.walk_packages(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        if hasattr(module, "sniff"):
            found[module.NAME] = module
    for point in entry_points(group="oauthtrace.sources"):
        module = point.load()
        found[module.NAME] = module
    return found


def weigh(head: bytes) -> list[tuple[float, str]]:
    """Every format's score for the first bytes of an input, best first."""
    return sorted(((form.sniff(head), name) for name, form in formats().items()), reverse=True)


def lines_of(head: bytes, most: int = 50) -> list[str]:
    """The first non-empty whole lines of an input, to sniff at."""
    cut = head if len(head) < HEAD_BYTES else head.rpartition(b"\n")[0] or head
    lines = [line.decode("utf-8", "replace").rstrip("\r") for line in cut.split(b"\n")[: most * 4]]
    return [line.removeprefix("\ufeff") for line in lines if line.strip()][:most]

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
- ``line_of(line, zone) -> RawExchange | str`` (optional): the exchange of one line, or why it can't be read, so that the
  line is understood among those of other formats too.

A module may instead hold an object that has all that as ``FORMAT``: see :mod:`oauthtrace.sources.log_format` for logs
with a format string, :mod:`oauthtrace.sources.json_format` for JSON lines.

Compression, containers and file names are nobody's business here: see :mod:`oauthtrace.sources.opening` and ``carriers/``.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
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
    return _MARKS.sub("", text) if ":" in text else text


class Reject(NamedTuple):
    """A record that can't be read: kept, never lost. ``excerpt`` is redacted."""

    position: int | None
    reason: str
    excerpt: str


class Outer(Protocol):
    """What carriers know of the lines that were in them."""

    def line(self, number: int) -> int:
        """The line of the file in which an inner line stood."""

    def settle(self, row: Row, number: int) -> tuple[int, int]:
        """That line, and how many inner lines stood in it before this one; gives a row without a sure time the carrier's."""

    def begins(self, number: int) -> bool:
        """Whether an inner line surely is the first of an entry, whatever it looks like."""


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
    zone: tzinfo = UTC
    """Of times that are written without one."""
    outer: Outer | None = None
    """Where the lines stand in the file, and when they were written, as the carriers around them tell."""

    KEPT_REJECTS = 1000

    def reject(self, position: int | None, reason: str, excerpt: str = "") -> None:
        """Count a record that can't be read; the first thousand are kept with their reason."""
        self.rejected += 1
        if len(self.rejects) < self.KEPT_REJECTS:
            if position is not None and self.outer is not None:
                position = self.outer.line(position)
            place = None if position is None else self.lines_before + position
            self.rejects.append(Reject(place, reason, self.redactor.text(excerpt[:300])))

    @property
    def not_oauth(self) -> int:
        """Records that are neither an exchange nor rejected: every record is one of the three."""
        return self.records - self.exchanges - self.rejected

    def settle_tally(self) -> None:
        """Once an input is read: what broke off, or could not be read at all, counts as a record too."""
        self.records = max(self.records, self.exchanges + self.rejected)

    def place(self, row: Row, position: int) -> Row:
        """Say in a row where it was read, and give it its id.

        The id is made of the record's place in its stream and of facts that no key changes: not of the file's name,
        so that a rotated, copied or compressed file gives the same ids.
        """
        again = 0
        if self.outer is not None:
            position, again = self.outer.settle(row, position)
        position += self.lines_before
        row["source_file"], row["source_format"], row["source_position"] = self.file, self.format, position
        stream = self.origin or ("" if row.get("time") else self.file.rsplit("/", 1)[-1])
        facts = [unmarked(f) if isinstance(f := row.get(name), str) else str(f) for name in _ID_FACTS]
        row["id"] = exchange_id(stream, position, *facts, *([again] if again else ()))
        self.exchanges += 1
        return row


class Format(Protocol):
    """What a format module offers."""

    @property
    def NAME(self) -> str:  # noqa: N802 - as modules name it
        """As ``--input-format`` takes it."""

    @property
    def TITLE(self) -> str:  # noqa: N802
        """One line for ``oauthtrace formats``."""

    @property
    def SEES(self) -> tuple[str, ...]:  # noqa: N802
        """What it can show at all."""

    def sniff(self, head: bytes, /) -> float:
        """How surely it is this format, 0 to 1."""

    def read(self, stream: BinaryIO, reading: Reading, /) -> Iterator[Row]:
        """The rows of an input."""


@cache
def formats() -> dict[str, Format]:
    """Name -> format module: those of this folder, then those that other packages offer as ``oauthtrace.sources``."""
    found: dict[str, Any] = {}
    for module_info in pkgutil.walk_packages(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        form = getattr(module, "FORMAT", module)
        if hasattr(form, "sniff") and hasattr(form, "read"):
            found[form.NAME] = form
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

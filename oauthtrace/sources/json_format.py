"""Formats of JSON lines by table: a set of keys that tells the format, and our names for the keys that matter."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.privacy import Redactor
from oauthtrace.sources import HEAD_BYTES, Reading, Row, access, lines_of
from oauthtrace.sources.documents import Values
from oauthtrace.sources.fields import exchange_of, sees_of
from oauthtrace.sources.opening import with_head
from oauthtrace.sources.repair import parsed

Paths = str | tuple[str, ...]
ENVELOPES = ("records", "Records")
"""Members of an object whose list holds the entries themselves: Azure's diagnostic settings, AWS."""


@dataclass(frozen=True)
class JsonFormat:
    """A format of JSON lines, as the registry wants it.

    Attributes:
        NAME: as ``--input-format`` takes it.
        TITLE: one line for ``oauthtrace formats``.
        keys: paths that every entry has; ``a.b`` is a member of a member, or a member of that very name; ``a=b`` asks
            for its value; ``a|b`` for one of them.
        fields: our name (see :mod:`oauthtrace.sources.fields`) -> path, or several, the first with a value is taken.
        extra: Rust pattern of further lines that may tell of OAuth.
        parts: path -> what takes a text apart into further fields.
        names: all our names that entries can have; those of ``fields`` when not given.
        sure: score of a file all of whose lines fit.
    """

    NAME: str
    TITLE: str
    keys: tuple[str, ...]
    fields: Mapping[str, Paths]
    extra: str = ""
    parts: Mapping[str, Callable[[str], Mapping[str, Any] | None]] = field(default_factory=lambda: MappingProxyType({}))
    names: frozenset[str] = frozenset()
    sure: float = 1.0
    BY_LINE: bool = True

    @property
    def SEES(self) -> tuple[str, ...]:  # noqa: N802 - as modules name it
        """What its entries can show at all."""
        return sees_of(self.names or frozenset(self.fields))

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Whether an object is an entry of this format."""
        return all(any(_has(data, key) for key in keys.split("|")) for keys in self.keys)

    def sniff(self, head: bytes) -> float:
        entries, count = objects_of(head)
        return self.sure * sum(map(self.fits, entries)) / count if count else 0.0

    def raw_of(self, data: Mapping[str, Any], zone: tzinfo = UTC) -> RawExchange | str:
        """The exchange of one entry, or why there is none."""
        if not self.fits(data):
            return f"not an entry of {self.NAME}"
        found: dict[str, Any] = {}
        for ours, paths in self.fields.items():
            for path in (paths,) if isinstance(paths, str) else paths:
                value = at(data, path, _MISSING)
                if value is not _MISSING and found.get(ours, _MISSING) in _EMPTY:
                    found[ours] = value
        for path, split in self.parts.items():
            found |= split(str(at(data, path, ""))) or {}
        return exchange_of(found, zone)

    def line_of(self, line: str, zone: tzinfo = UTC) -> RawExchange | str:
        """The exchange of one line, or why it can't be read."""
        data = parsed(line)
        return "not a JSON object" if data is None else self.raw_of(data, zone)

    def read(self, stream: BinaryIO, reading: Reading) -> Iterator[Row]:
        pattern = f"{access.PREFILTER}|{self.extra}" if self.extra else access.PREFILTER
        return read_objects(stream, reading, self.raw_of, pattern)


def _has(data: Mapping[str, Any], key: str) -> bool:
    path, equals, wanted = key.partition("=")
    value = at(data, path, _MISSING)
    return value is not _MISSING and (not equals or str(value) == wanted)


_MISSING: Any = object()
_EMPTY = (_MISSING, None, "", "-")


def at(data: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """The member that a path names, whether the object is nested, nested as text, or its keys hold the dots."""
    if path in data:
        return data[path]
    head, dot, rest = path.partition(".")
    inner = data.get(head) if dot else None
    if isinstance(inner, str) and inner.startswith("{"):
        inner = parsed(inner)
    return at(inner, rest, default) if isinstance(inner, Mapping) else default


def entries_of(line: str) -> list[Mapping[str, Any]]:
    """The entries that a line holds: one object, or an array or envelope of objects."""
    text = line.lstrip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            return []
    else:
        data = parsed(line)
        if data is None:
            return []
        listed = next((data[name] for name in ENVELOPES if isinstance(data.get(name), list)), [data])
    return [entry for entry in listed if isinstance(entry, dict)]


@lru_cache(maxsize=2)
def objects_of(head: bytes) -> tuple[tuple[Mapping[str, Any], ...], int]:
    """The entries among the first lines of an input, and how many lines and entries there are in all."""
    if is_document(head):
        values = [value for _, value in islice(Values(io.BytesIO(head), _nobody(), ENVELOPES), 50)]
        return tuple(value for value in values if isinstance(value, dict)), len(values)
    entries: list[Mapping[str, Any]] = []
    others = 0
    for line in lines_of(head):
        inside = entries_of(line) if "{" in line[:200] else []
        entries += inside[:50]
        others += not inside
    return tuple(entries), len(entries) + others


def is_document(head: bytes) -> bool:
    """Whether an input is a JSON document over many lines, an array or an envelope, rather than a value a line."""
    first, newline, _ = head.lstrip(b"\xef\xbb\xbf \r\n\t").partition(b"\n")
    return bool(newline) and first[:1] in (b"[", b"{") and not entries_of(first.decode("utf-8", "replace"))


def _nobody() -> Reading:
    """Takes what can't be read of an input that is only looked at."""
    return Reading("", Redactor(bytes(16)))


def read_objects(
    stream: BinaryIO,
    reading: Reading,
    raw_of: Callable[[Mapping[str, Any], tzinfo], RawExchange | str],
    pattern: str = access.PREFILTER,
) -> Iterator[Row]:
    """The rows of a log of JSON, an entry a line or a document of entries; arguments as in :func:`access.read_lines`.

    Positions in a document are the numbers of its entries, from 0.
    """
    if not hasattr(stream, "narrow"):  # what comes out of carriers is lines
        head, stream = with_head(stream, HEAD_BYTES)
        if is_document(head):
            yield from _of_document(stream, reading, raw_of)
            return
    yield from access.read_entries(
        stream,
        reading,
        lambda line: [raw_of(entry, reading.zone) for entry in entries_of(line)] or ["not a JSON object"],
        pattern,
    )


def _of_document(
    stream: BinaryIO, reading: Reading, raw_of: Callable[[Mapping[str, Any], tzinfo], RawExchange | str]
) -> Iterator[Row]:
    for place, value in Values(stream, reading, ENVELOPES):
        reading.records += 1
        raw = raw_of(value, reading.zone) if isinstance(value, dict) else "not a JSON object"
        if isinstance(raw, str):
            reading.reject(place, raw, json.dumps(value))
        elif (row := access.row_of(raw, reading)) is not None:
            yield reading.place(row, place)

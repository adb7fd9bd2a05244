"""Logs that no format knows, described by their user in a small TOML file: which of their keys is which of ours.

JSON lines, also with other text in front of the object::

    name = "pipegate"                       # shown as the format; default: the file's name
    kind = "json"

    [fields]
    time = "when"
    method = "req.verb"                     # a member of a member, or a key with a dot
    url = ["req.uri", "req.path"]           # the first with a value
    status = "res.code"
    took_ms = "ms"
    "in:user-agent" = "ua"                  # a header of the request; out: one of the answer

Lines of columns, quoted where they hold the separator::

    kind = "delimited"
    separator = " "                         # default: a comma
    columns = ["date", "time", "verb", "uri", "query", "code"]
    time_format = "%d.%m.%Y %H:%M:%S"       # default: ISO 8601, Apache's, or a count of seconds, ms, µs, ns

    [fields]
    time = "{date} {time}"                  # several put together
    method = "verb"
    url = "uri"
    query = "query"
    status = "code"

Our names are those of :mod:`oauthtrace.sources.fields`. Needed are ``status``, and either ``request`` or ``method`` and
``url``.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, access, lines_of
from oauthtrace.sources.fields import exchange_of, sees_of
from oauthtrace.sources.json_format import at
from oauthtrace.sources.repair import parsed

NAMES = (
    "time", "ended", "took_s", "took_ms", "took_us", "took_ns", "request", "method", "url", "path", "query", "scheme", "host", "port",
    "status", "upstream_status", "upstream_wait", "client", "user", "request_id", "request_body", "answer_body", "note",
)  # fmt: skip
"""Our names; besides those ``in:HEADER`` and ``out:HEADER``."""
_HEADER = re.compile(r"(?:in|out):[a-z0-9-]+$")
_TEMPLATE = re.compile(r"\{([^{}]+)\}")
_KINDS = ("json", "delimited")
_KEYS = {"name": str, "kind": str, "separator": str, "columns": list, "time_format": str, "fields": dict}


class BadMapping(Exception):  # noqa: N818 - it names what is wrong, as users read it
    """A mapping that can't be used; the message names the file, the key and what is expected in one line."""


@dataclass(frozen=True)
class MappedFormat:
    """A format as its user describes it.

    Attributes:
        NAME: as ``inputs[].format`` shows it.
        TITLE: one line.
        fields: our name -> theirs, in the order in which they are tried; a template where several are put together.
        columns: theirs, in order; None for JSON.
        separator: between columns.
        time_format: of ``datetime.strptime``; None for what :func:`oauthtrace.sources.times.to_epoch` knows.
    """

    NAME: str
    TITLE: str
    fields: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...] | None = None
    separator: str = ","
    time_format: str | None = None
    BY_LINE: bool = True

    @property
    def SEES(self) -> tuple[str, ...]:  # noqa: N802 - as modules name it
        """What its records can show."""
        return sees_of(frozenset(self.fields))

    def sniff(self, head: bytes) -> float:
        """The share of the first lines that have a status and a target."""
        first = lines_of(head)
        return sum(isinstance(self.line_of(line), RawExchange) for line in first) / len(first) if first else 0.0

    def read(self, stream: BinaryIO, reading: Reading) -> Iterator[Row]:
        """The rows of a log."""
        return access.read_lines(stream, reading, lambda line: self.line_of(line, reading.zone))

    def line_of(self, line: str, zone: tzinfo = UTC) -> RawExchange | str:
        """The exchange of one line, or why there is none."""
        data = self._data(line)
        if isinstance(data, str):
            return data
        found = {ours: value for ours, theirs in self.fields.items() if (value := _first(data, theirs)) is not _MISSING}
        if self.time_format is not None and isinstance(text := found.get("time"), str):
            try:
                stamp = datetime.strptime(text, self.time_format)  # noqa: DTZ007 - its zone follows
                found["time"] = (stamp if stamp.tzinfo else stamp.replace(tzinfo=zone)).timestamp()
            except ValueError:
                return f"time is not written as {self.time_format}"
        return exchange_of(found, zone)

    def _data(self, line: str) -> Mapping[str, Any] | str:
        if self.columns is None:
            return parsed(line) or "not a JSON object"
        cells = next(csv.reader([line], delimiter=self.separator), [])
        if len(cells) != len(self.columns):
            return f"{len(cells)} columns, not {len(self.columns)}"
        return dict(zip(self.columns, cells, strict=True))


_MISSING: Any = object()
_EMPTY = (_MISSING, None, "", "-")


def _first(data: Mapping[str, Any], theirs: tuple[str, ...]) -> Any:
    """The first of some members that has a value; else one that is there without; _MISSING when none is."""
    found = _MISSING
    for name in theirs:
        if "{" in name:
            value: Any = _TEMPLATE.sub(lambda match: str(at(data, match[1], "")), name).strip()
        else:
            value = at(data, name, _MISSING)
        if found in _EMPTY and value is not _MISSING:
            found = value
    return found


def read_mapping(file: Path) -> MappedFormat:
    """The format that a TOML file describes.

    Raises:
        BadMapping: the file can't be read, or a key of it is not as it has to be.
    """
    try:
        data = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise BadMapping(f"{file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadMapping(f"{file}: not TOML: {error}") from error
    for key, value in data.items():
        if key not in _KEYS:
            raise BadMapping(f"{file}: {key}: no such key{_near(key, _KEYS)}; known are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise BadMapping(f"{file}: {key}: has to be a {_KEYS[key].__name__}")
    kind = data.get("kind", "delimited" if "columns" in data else "json")
    if kind not in _KINDS:
        raise BadMapping(f"{file}: kind: {kind!r}, but json or delimited is expected")
    columns = _columns(file, data) if kind == "delimited" else None
    separator = data.get("separator", ",")
    if len(separator) != 1:
        raise BadMapping(f"{file}: separator: {separator!r}, but one character is expected")
    name = data.get("name", file.stem)
    return MappedFormat(
        name, f"as {file.name} describes it", _fields(file, data, columns), columns, separator, data.get("time_format")
    )


def _columns(file: Path, data: Mapping[str, Any]) -> tuple[str, ...]:
    columns = data.get("columns")
    if not columns or not all(isinstance(name, str) for name in columns):
        raise BadMapping(f"{file}: columns: the names of all columns are expected, in their order")
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise BadMapping(f"{file}: columns: {twice!r} stands there twice")
    return tuple(columns)


def _fields(file: Path, data: Mapping[str, Any], columns: tuple[str, ...] | None) -> dict[str, tuple[str, ...]]:
    out = {}
    for ours, given in (data.get("fields") or {}).items():
        if ours not in NAMES and not _HEADER.match(ours):
            raise BadMapping(
                f"{file}: fields.{ours}: no such field{_near(ours, NAMES)}; known are {', '.join(NAMES)}, in:HEADER, out:HEADER"
            )
        theirs = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else ()
        if not theirs or not all(isinstance(name, str) and name for name in theirs):
            raise BadMapping(f"{file}: fields.{ours}: the name of a key, or a list of names, is expected")
        for name in theirs if columns is not None else ():
            for part in _TEMPLATE.findall(name) or [name]:
                if part not in (columns or ()):
                    raise BadMapping(f"{file}: fields.{ours}: no column {part!r}{_near(part, columns or ())}")
        out[ours] = theirs
    if "status" not in out:
        raise BadMapping(f"{file}: fields.status: missing; a request without the status of its answer tells nothing")
    if "request" not in out and not ("method" in out and ("url" in out or "path" in out)):
        raise BadMapping(f"{file}: fields.url: missing; either request, or method and url, are needed")
    return out


def _near(word: str, known: Any) -> str:
    near = get_close_matches(word, list(known), 1, 0.5)
    return f", did you mean {near[0]!r}" if near else ""

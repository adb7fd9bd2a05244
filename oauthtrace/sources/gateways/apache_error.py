"""Apache's error log, with the messages of mod_auth_openidc.

https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat (default of a threaded server),
https://github.com/OpenIDC/mod_auth_openidc

Times have no zone. The request is not logged, only its referer. One failure of mod_auth_openidc gives two to four lines in
the same moment; they are one failure here, and the first says why. What the authorization server answered in the
redirect is no error to the module: it stands in the access log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import BinaryIO

from oauthtrace.sources import Reading, Row, about, lines_of, text
from oauthtrace.sources.error_log import Complaint, row_of
from oauthtrace.sources.times import utime

NAME = "apache-error"
TITLE = "Apache error log, with mod_auth_openidc"
SEES = text.SEES
BY_LINE = True

_LINE = re.compile(
    r"\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{6})? \d{4})\] \[(?:(\w*):)?(\w+)\] (?:\[pid (\d+)(?::tid (\d+))?\] )?(?:\S+\.c\(\d+\): )?"
    r"(?:\(\d+\)([^:\[]+): )?(?:\[(?:client|remote) ([^\]]+)\] )?(?:\(\d+\)[^:\[]+: )?(?:(AH\d{5}): )?(.*)",
    re.DOTALL,
)
_GRAVE = frozenset({"error", "crit", "alert", "emerg"})
_MOMENT_S = 0.1
_RETURNED = re.compile(r"returned by (/\S*)")
_MAY_GO_ON = re.compile("auth_openidc|proxy")
"""Modules whose lines may tell more of a failure that a line before them told of."""
_INTERESTING = rf"{about.INTERESTING}|AH0(?:0957|1102|1114)"
_SEEN = re.compile(_INTERESTING)


@dataclass(slots=True)
class _Failure:
    """One failure: where it was first told, who wrote it (process, thread), and what it says."""

    number: int
    writer: tuple[str | None, ...]
    told: Complaint

    def goes_on(self, then: _Failure) -> bool:
        """Whether another line tells more of it."""
        moment = abs((then.told.time or 0.0) - (self.told.time or 0.0)) <= _MOMENT_S
        return self.writer == then.writer and moment

    def take(self, then: _Failure) -> None:
        self.told.message += f" | {then.told.message}"
        self.told.client, self.told.url = self.told.client or then.told.client, self.told.url or then.told.url


def sniff(head: bytes) -> float:
    first = [line for line in lines_of(head) if text.starts(line)]
    share = sum(_LINE.match(line) is not None for line in first) / len(first) if first else 0.0
    return share if share >= 0.8 else share * 0.5


def starts(line: str) -> bool:
    match = _LINE.match(line)
    return match is not None and not _MAY_GO_ON.match(match[2] or "") and _SEEN.search(line) is not None


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    waiting: _Failure | None = None
    for entry in text.entries(stream, reading, _INTERESTING):
        line = framed(entry, reading.zone)
        if waiting is not None and line is not None and waiting.goes_on(line):
            waiting.take(line)
            continue
        yield from _placed(waiting, reading)
        waiting = line if line is not None and line.told.failed else None
        if line is None and (row := text.row_of(entry.text, reading)) is not None:
            yield reading.place(row, entry.number)
    yield from _placed(waiting, reading)


def _placed(failure: _Failure | None, reading: Reading) -> Iterator[Row]:
    if failure is not None and (row := row_of(failure.told, reading)) is not None:
        yield reading.place(row, failure.number)


def framed(entry: text.Entry, zone: tzinfo) -> _Failure | None:
    """A line, its frame taken apart; None when it is of another layout."""
    match = _LINE.match(entry.text)
    if match is None:
        return None
    stamp, module, level, pid, tid, reason, client, number, said = match.groups()
    message, _, referer = said.partition(", referer: ")
    told = Complaint(
        message=": ".join(part for part in (reason, number, message) if part),
        failed=level in _GRAVE,
        time=utime(stamp, zone),
        client=client.rpartition(":")[0].strip("[]") if client and ":" in client else client,
        provider="mod-auth-openidc" if module == "auth_openidc" else None,
        referer=referer or None,
        ours=module == "auth_openidc",
        url=returned[1] if (returned := _RETURNED.search(message)) else None,
    )
    return _Failure(entry.number, (pid, tid), told)

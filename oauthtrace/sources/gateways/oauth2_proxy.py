"""oauth2-proxy's log: its own messages, what it thinks of sign-ins, and its requests, by the default templates.

https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview#logging-configuration

Times have no zone. The line before a request's says why it failed: with the request's id if it has one, else in the
same second. Both are one exchange here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import BinaryIO, NamedTuple

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, about, access, lines_of, text
from oauthtrace.sources.error_log import Complaint, row_of
from oauthtrace.sources.fields import exchange_of
from oauthtrace.sources.times import to_epoch

NAME = "oauth2-proxy"
TITLE = "oauth2-proxy log"
SEES = text.SEES
BY_LINE = True
SURE = 1.0

_STAMP = r"\[(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)\]"
_STANDARD = re.compile(rf"{_STAMP} \[([\w.-]+\.go):\d+\] (.*)", re.DOTALL)
_AUTH = re.compile(rf"(\S+)(?: - (\S+))? - (\S+) {_STAMP} \[(Auth(?:Success|Failure|Error))\] (.*)", re.DOTALL)
_REQUEST = re.compile(
    rf'(\S+)(?: - (\S+))? - (\S+) {_STAMP} (\S+) ([A-Z]+) (\S+) ("(?:[^"\\]|\\.)*") HTTP/[\d.]+ ("(?:[^"\\]|\\.)*") (\d+) (\d+) ([\d.]+)\s*$'
)
_SEEN = re.compile(about.INTERESTING)


class _Waiting(NamedTuple):
    """A message whose request's line may come next."""

    number: int
    told: Complaint
    second: str


def sniff(head: bytes) -> float:
    first = [line for line in lines_of(head) if text.starts(line)]
    share = (
        sum(any(kind.match(line) for kind in (_STANDARD, _AUTH, _REQUEST)) for line in first) / len(first)
        if first
        else 0.0
    )
    return share if share >= 0.8 else share * 0.5


def starts(line: str) -> bool:
    request = _REQUEST.match(line)
    # a request that went well, if the reader gets to see it: what stood before it was of another
    return request is not None and int(request[10]) < 400 and _SEEN.search(line) is not None


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    waiting: _Waiting | None = None
    for entry in text.entries(stream, reading):
        raw, said = line_of(entry.text, reading.zone), message_of(entry.text, entry.number, reading.zone)
        if isinstance(raw, RawExchange):
            if waiting is not None and (raw.status or 0) >= 400 and _belongs(waiting, entry.text, raw):
                raw.note, waiting = waiting.told.message, None
            yield from _settled(waiting, reading)
            waiting = None
            if (row := access.row_of(raw, reading)) is not None:
                row["provider"] = "oauth2-proxy"
                yield reading.place(row, entry.number)
        elif said is not None and waiting is not None and _one_failure(waiting, said):
            waiting.told.message += f" | {said.told.message}"
        elif said is not None:
            yield from _settled(waiting, reading)
            waiting = said
        elif (row := text.row_of(entry.text, reading)) is not None:
            yield reading.place(row, entry.number)
    yield from _settled(waiting, reading)


def _settled(waiting: _Waiting | None, reading: Reading) -> Iterator[Row]:
    """The message alone, when its request's line did not come."""
    if waiting is not None and (row := row_of(waiting.told, reading)) is not None:
        yield reading.place(row, waiting.number)


def _belongs(waiting: _Waiting, line: str, raw: RawExchange) -> bool:
    if waiting.told.request_id and raw.request_id:
        return waiting.told.request_id == raw.request_id
    return waiting.second in line


def _one_failure(waiting: _Waiting, then: _Waiting) -> bool:
    """Whether a message goes on with what the one before it said: what went wrong, then what became of the sign-in."""
    return waiting.second == then.second and not (waiting.told.request_id and then.told.request_id)


def message_of(line: str, number: int, zone: tzinfo) -> _Waiting | None:
    """What the proxy says of a failure; None when the line is of another kind, or nothing failed."""
    if match := _STANDARD.match(line):
        stamp, _, said = match.groups()
        if not about.FAILED.search(said):
            return None
        return _Waiting(number, _complaint(said, stamp, zone), f"[{stamp}]")
    if match := _AUTH.match(line):
        client, request_id, _, stamp, verdict, said = match.groups()
        if verdict == "AuthSuccess":
            return None
        told = _complaint(said, stamp, zone)
        told.client, told.request_id = re.sub(r":\d+$", "", client).strip("[]"), request_id
        return _Waiting(number, told, f"[{stamp}]")
    return None


def _complaint(said: str, stamp: str, zone: tzinfo) -> Complaint:
    plain = said.partition("&{")[0] or said  # some versions print the whole request behind it
    return Complaint(plain, failed=True, time=to_epoch(stamp, zone), provider="oauth2-proxy", ours=True)


def line_of(line: str, zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange of a request's line, or why it is none."""
    match = _REQUEST.match(line)
    if match is None:
        return "not a request line of oauth2-proxy"
    client, request_id, user, stamp, host, method, upstream, target, agent, status, _, took = match.groups()
    found = {
        "ended": stamp, "took_s": took, "client": client, "request_id": request_id, "user": user, "host": host, "method": method, "url": _plain(target), "in:user-agent": _plain(agent),
        "status": status,
    }  # fmt: skip
    del upstream
    return exchange_of(found, zone)


def _plain(quoted: str) -> str:
    """A text as Go's %q wrote it."""
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted[1:-1]

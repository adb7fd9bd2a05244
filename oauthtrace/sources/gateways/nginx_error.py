"""nginx's error log, that of OpenResty, Kong, APISIX and ingress-nginx too.

https://nginx.org/en/docs/ngx_core_module.html#error_log, layout by ngx_log_error_core and ngx_http_log_error of its source.

Times have no zone. What belongs to the request stands at the end of the line, in fixed order; quotes inside are not
escaped, and a line is cut at 2,048 bytes. Lines of one request share the connection's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import BinaryIO

from oauthtrace.sources import Reading, Row, about, lines_of, text
from oauthtrace.sources.error_log import Complaint, row_of
from oauthtrace.sources.times import to_epoch

NAME = "nginx-error"
TITLE = "nginx error log, also of OpenResty, Kong, APISIX"
SEES = text.SEES
BY_LINE = True

_LINE = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(debug|info|notice|warn|error|crit|alert|emerg)\] (\d+)#(\d+): (?:\*(\d+) )?(.*)",
    re.DOTALL,
)
_ORDER = ("client", "server", "request", "subrequest", "upstream", "host", "referrer", "request_id")
_MARK = re.compile(rf", ({'|'.join(_ORDER)}): ")
_GRAVE = frozenset({"error", "crit", "alert", "emerg"})


def sniff(head: bytes) -> float:
    first = [line for line in lines_of(head) if text.starts(line)]
    share = sum(starts(line) for line in first) / len(first) if first else 0.0
    return share if share >= 0.8 else share * 0.5  # Lua's tracebacks stand between


def starts(line: str) -> bool:
    return _LINE.match(line) is not None


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    for entry in text.entries(stream, reading):
        told = complaint_of(entry.text, reading.zone)
        row = text.row_of(entry.text, reading) if told is None else row_of(told, reading)
        if row is not None:
            yield reading.place(row, entry.number)


def complaint_of(line: str, zone: tzinfo) -> Complaint | None:
    """A line, its frame taken apart; None when it is of another layout."""
    match = _LINE.match(line)
    if match is None:
        return None
    stamp, level, process, _, connection, said = match.groups()
    message, told = parted(said)
    method, _, rest = told.get("request", "").partition(" ")
    target = rest.split(" HTTP/")[0]
    host = told.get("host", "")
    return Complaint(
        message=message,
        failed=level in _GRAVE or (level == "warn" and about.FAILED.search(message) is not None),
        time=to_epoch(stamp, zone),
        method=method or None,
        url=(f"https://{host}{target}" if host and target.startswith("/") else target) or None,
        client=told.get("client"),
        request_id=told.get("request_id") or (f"{process}*{connection}" if connection and "client" in told else None),
        referer=told.get("referrer"),
    )


def parted(said: str) -> tuple[str, dict[str, str]]:
    """The message, and the fields behind it; read from the right, since a request may hold anything."""
    told: dict[str, str] = {}
    end, last = len(said), len(_ORDER)
    for mark in reversed(list(_MARK.finditer(said))):
        if (place := _ORDER.index(mark[1])) < last:
            told[mark[1]] = said[mark.end() : end].strip().strip('"')
            end, last = mark.start(), place
    return said[:end], told

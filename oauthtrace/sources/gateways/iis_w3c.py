"""Logs of Internet Information Services in the W3C extended format, also of what stands before AD FS and Exchange.

https://learn.microsoft.com/en-us/windows/win32/http/w3c-logging: fields as ``#Fields`` names them, separated by blanks,
``+`` for a blank within one, times in UTC, ``time-taken`` in milliseconds. A restart writes ``#Fields`` again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, lines_of, w3c
from oauthtrace.sources.fields import exchange_of, sees_of

NAME = "iis-w3c"
TITLE = "IIS log, W3C extended format"

_DEFAULT = ["date", "time", "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip", "cs(User-Agent)", "cs(Referer)", "sc-status", "sc-substatus", "sc-win32-status", "time-taken"]  # fmt: skip
"""The order that IIS comes with, for a file whose top is cut off."""
_OURS = {
    "cs-method": "method", "cs-uri-stem": "url", "cs-uri-query": "query", "cs-host": "host", "cs(Host)": "host", "s-port": "port", "cs-username": "user", "c-ip": "client",
    "sc-status": "status", "time-taken": "took_ms", "cs(User-Agent)": "in:user-agent", "cs(Referer)": "in:referer", "cs(Cookie)": "in:cookie",
}  # fmt: skip
_VALUE = re.compile(r'"[^"]*"|\S+')
SEES = sees_of(set(_OURS.values()))


def sniff(head: bytes) -> float:
    first = lines_of(head)
    fields = next((named for line in first[:8] if (named := _named(line))), _DEFAULT)
    body = [line for line in first if not line.startswith("#")]
    if not body:
        return 0.9 * any(_named(line) or "Internet Information Services" in line for line in first)
    return sum(_found(line, fields) is not None for line in body) / len(body)


def _named(line: str) -> list[str] | None:
    fields = w3c.named(line) or []
    return fields if "cs-uri-stem" in fields and "x-edge-location" not in fields else None


def _found(line: str, fields: list[str]) -> dict[str, Any] | None:
    """Our name -> value of a line; None when it has not these fields."""
    values = [value.strip('"') for value in _VALUE.findall(line)]
    named = dict(zip(fields, values, strict=True)) if len(values) == len(fields) else {}
    if not (named.get("sc-status", "").isdigit() and named.get("cs-uri-stem", "").startswith("/")):
        return None
    found: dict[str, Any] = {"ended": f"{named.get('date', '')}T{named.get('time', '')}Z"}
    for name, value in named.items():
        if name in _OURS:
            found[_OURS[name]] = value.replace("+", " ") if name.startswith("cs(") else value
    found["scheme"] = "https" if found.get("port") == "443" else None
    return found


def line_of(line: str, _zone: object = None) -> RawExchange | str:
    """The exchange of one line in the order that IIS comes with, or why it can't be read."""
    return _raw(line, _DEFAULT)


def _raw(line: str, fields: list[str]) -> RawExchange | str:
    found = _found(line, fields)
    return "not a line of IIS's log" if found is None else exchange_of(found)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return w3c.read(stream, reading, _DEFAULT, _raw, _named)

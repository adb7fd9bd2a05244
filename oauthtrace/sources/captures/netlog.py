"""Network logs of Chromium (``chrome://net-export``, ``--log-net-log=FILE``): requests and heads of answers, no bodies.

Times are ticks in milliseconds whose origin the constants tell. By default cookies and credentials are left out
(``[12 bytes were stripped]``): what is missing then proves nothing. A file that was cut off by a crash is read up to
its last whole event. Source: https://www.chromium.org/developers/design-documents/network-stack/netlog/ and
``net/log/net_log_event_type_list.h``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange, lower_headers
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.exchanges import MOST_BODY, body_text, header_of, rows_of, status_of
from oauthtrace.sources.documents import Values

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "netlog"
TITLE = "network log of Chromium (chrome://net-export)"
SEES = ("query", "headers", "location")
_SENT = ("HTTP_TRANSACTION_SEND_REQUEST_HEADERS", "HTTP_TRANSACTION_HTTP2_SEND_REQUEST_HEADERS",
         "HTTP_TRANSACTION_QUIC_SEND_REQUEST_HEADERS")  # fmt: skip
_BODY = "URL_REQUEST_JOB_FILTERED_BYTES_READ"
_STRIPPED = re.compile(r"\[\d+ bytes were stripped\]")
MOST_OPEN = 10_000
"""Requests that are followed at the same time; beyond that the oldest counts as ended."""


def sniff(head: bytes) -> float:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not re.match(rb'\{\s*"constants"\s*:\s*\{', start):
        return 0.0
    return 1.0 if re.search(rb'"(?:logEventTypes|logSourceType|netError|clientInfo|timeTickOffset)"', head) else 0.5


@dataclass(slots=True, repr=False)
class _Request:
    """One request of one source, as its events come."""

    url: str
    method: str
    time: float | None
    position: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    error: str | None = None
    ended: float | None = None
    stripped: bool = False


class _Log:
    """Requests of a log, as its events are fed."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        self._names = _inverse(constants.get("logEventTypes"))
        self._errors = _inverse(constants.get("netError"))
        offset = constants.get("timeTickOffset", 0)
        self._offset = _number(offset) or 0.0
        self._open: dict[Any, _Request] = {}

    def feed(self, event: Any, position: int) -> Iterator[_Request]:
        """Take an event; gives the requests that it ends.

        Raises:
            KeyError, TypeError, ValueError: it is no event.
        """
        source, name = event["source"]["id"], self._names.get(event["type"])
        params = event.get("params") or {}
        if name == "URL_REQUEST_START_JOB":
            if event.get("phase") == 1 and "url" in params:
                yield from self._begin(event, params, position)
        elif (request := self._open.get(source)) is not None:
            self._learn(request, name, params, event)
            if name == "URL_REQUEST_REDIRECTED" or (name == "REQUEST_ALIVE" and event.get("phase") == 2):
                yield self._open.pop(source)

    def _begin(self, event: Any, params: Mapping[str, Any], position: int) -> Iterator[_Request]:
        source = event["source"]["id"]
        if source in self._open:
            yield self._open.pop(source)
        elif len(self._open) >= MOST_OPEN:
            yield self._open.pop(next(iter(self._open)))
        method = str(params.get("method") or "GET")
        self._open[source] = _Request(str(params["url"]), method, self._time(event), position)

    def _learn(self, request: _Request, name: str | None, params: Mapping[str, Any], event: Any) -> None:
        """What an event tells of its request."""
        if name in _SENT:
            request.headers = [pair for line in _lines(params.get("headers")) if (pair := _pair(line))]
            request.stripped = request.stripped or any(_STRIPPED.search(value) for _, value in request.headers)
        elif name == "HTTP_TRANSACTION_READ_RESPONSE_HEADERS":
            request.answer, request.ended = _lines(params.get("headers")), self._time(event)
        elif name == _BODY and len(request.body) <= MOST_BODY:
            request.body += _bytes(params.get("bytes"))
        number = params.get("net_error")
        if isinstance(number, int) and number not in (0, -1, -3):  # ok, pending, aborted by the page
            request.error = f"net::{self._errors.get(number, number)}"

    def rest(self) -> Iterator[_Request]:
        """The requests that no event has ended."""
        yield from self._open.values()

    def _time(self, event: Mapping[str, Any]) -> float | None:
        ticks = _number(event.get("time"))
        return None if ticks is None else (self._offset + ticks) / 1000


def _number(value: Any) -> float | None:
    """A number, which the log writes as text too."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}(?:\.\d+)?", value):
        return float(value)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e18 else None


def _inverse(names: Any) -> dict[int, str]:
    return {number: str(name) for name, number in names.items()} if isinstance(names, Mapping) else {}


def _lines(headers: Any) -> list[str]:
    if isinstance(headers, Mapping):
        return [f"{name}: {value}" for name, value in headers.items()]
    return [str(line) for line in headers] if isinstance(headers, list) else []


def _pair(line: str) -> tuple[str, str] | None:
    """A header; pseudo headers of HTTP/2 begin with a colon."""
    return header_of(line) if not line.startswith(":") else None


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text) if isinstance(text, str) else b""
    except (ValueError, binascii.Error):
        return b""


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    values = Values(stream, reading)
    before = values.seek("events")
    try:
        constants = json.loads(f"{(before or '').strip().rstrip(',')}}}")["constants"] if before else None
    except (ValueError, KeyError, TypeError, RecursionError):
        constants = None
    if not isinstance(constants, Mapping):
        reading.reject(None, "no constants and events in it, which name the kinds of events")
        return iter(())
    return rows_of(_exchanges(values, _Log(constants), reading), reading)


def _exchanges(values: Values, log: _Log, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    stripped = False
    for position, event in values:
        reading.records += 1
        try:
            ended = list(log.feed(event, position))
        except (KeyError, TypeError, ValueError, AttributeError):
            reading.reject(position, "not an event of a network log", str(event)[:300])
            continue
        for request in ended:
            stripped = stripped or request.stripped
            yield request.position, _exchange(request)
    for request in log.rest():
        yield request.position, _exchange(request)
    if stripped:
        reading.notes.append(
            "this log was made without cookies and credentials: their absence proves nothing. "
            "“Include cookies and credentials” in chrome://net-export keeps them; share the output of `oauthtrace scrub`."
        )


def _exchange(request: _Request) -> RawExchange:
    headers = lower_headers((n, v) for n, v in request.headers if not _STRIPPED.search(v))
    answer = lower_headers(pair for line in request.answer[1:] if (pair := header_of(line)))
    answer = {name: value for name, value in answer.items() if not _STRIPPED.search(value)}
    status = status_of(request.answer[0]) if request.answer else None
    took = (request.ended - request.time) * 1000 if request.ended and request.time else None
    shows = ("authorization",) if headers.keys() & {"authorization", "cookie"} else ()
    body = body_text(bytes(request.body), {"content-type": answer.get("content-type", "")}) if request.body else None
    return RawExchange(
        method=request.method.upper(),
        url=request.url,
        time=request.time,
        duration_ms=took,
        request_headers=headers,
        status=status,
        answer_headers=answer,
        answer_body=body,
        transport_error=None if status else (request.error or "no answer"),
        note=request.error if status else None,
        sees=(*SEES, *shows, *(("answer",) if body is not None else ())),
    )

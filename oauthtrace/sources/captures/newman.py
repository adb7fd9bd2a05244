"""Runs of Postman collections by Newman, its JSON reporter (``newman run … -r json``).

Executions stand in the order of their time, without times of their own: each is given the run's start and the
answering times of those before it, so that times are early rather than late and no age is overstated. Source:
https://github.com/postmanlabs/newman#json-reporter and the Postman Collection SDK's ``Request`` and ``Response``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import CAPTURE, RawExchange, lower_headers
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.exchanges import body_text, rows_of
from oauthtrace.sources.captures.postman import request_of
from oauthtrace.sources.documents import Values

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "newman"
TITLE = "run of a Postman collection by Newman, JSON reporter"
SEES = CAPTURE
_STARTED = re.compile(r'"started"\s*:\s*(\d{12,14})')


def sniff(head: bytes) -> float:
    """By its members, or, where a long collection stands before them, by those of a collection."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not start.startswith(b"{"):
        return 0.0
    ran = b'"executions"' in head and b'"run"' in head
    if re.match(rb'\{\s*"collection"\s*:\s*\{', start):
        return 1.0 if ran or b"postman" in head or (b'"item"' in head and b'"request"' in head) else 0.0
    return 0.9 if ran and b'"cursor"' in head else 0.0


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    values = Values(stream, reading)
    before = values.seek("executions")
    if before is None:
        reading.reject(None, "no run.executions in it: was the run ended?")
        return iter(())
    started = _STARTED.search(before)
    return rows_of(_exchanges(values, int(started[1]) / 1000 if started else None, reading), reading)


def _exchanges(values: Values, started: float | None, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    time = started
    for position, execution in values:
        reading.records += 1
        raw = _exchange(execution, time)
        if isinstance(raw, str):
            reading.reject(position, raw, str(execution)[:300])
            continue
        if time is not None:
            time += (raw.duration_ms or 0.0) / 1000
        yield position, raw
    if started is not None:
        reading.notes.append("Newman writes no time of its requests: times are at the earliest, as the answers took")


def _exchange(execution: Any, time: float | None) -> RawExchange | str:
    request = execution.get("request") if isinstance(execution, Mapping) else None
    if not isinstance(request, Mapping):
        return "an execution without request"
    raw = request_of(request)
    if isinstance(raw, str):
        return raw
    raw.time = time
    answer, error = execution.get("response"), execution.get("requestError")
    if isinstance(answer, Mapping) and isinstance(answer.get("code"), int) and answer["code"]:
        listed = answer.get("header")
        raw.answer_headers = lower_headers(
            (str(h.get("key", "")), str(h.get("value", ""))) for h in listed or () if isinstance(h, Mapping)
        )
        raw.status = answer["code"]
        took = answer.get("responseTime")
        raw.duration_ms = float(took) if isinstance(took, int | float) else None
        raw.answer_body = _body(answer, raw.answer_headers)
    else:
        code = error.get("code") if isinstance(error, Mapping) else None
        raw.transport_error = " ".join(
            str(part)
            for part in (code or error or "no answer", error.get("syscall") if isinstance(error, Mapping) else None)
            if part
        )
    return raw


def _body(answer: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    stream = answer.get("stream")
    data = stream.get("data") if isinstance(stream, Mapping) else stream
    if isinstance(data, list):
        try:
            # the body was unpacked when it was received, whatever the header says
            return body_text(bytes(data), {"content-type": headers.get("content-type", "")})
        except (ValueError, TypeError):
            return None
    text = answer.get("body")
    return text if isinstance(text, str) else None

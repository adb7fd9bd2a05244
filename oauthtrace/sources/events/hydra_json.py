"""Ory Hydra's log as JSON lines (``log.format: json``): requests, and errors with their OAuth word, reason and hint.

Times carry their offset. Sensitive values are replaced by a sentence that begins ``Value is sensitive``. The error and
the request that ended with it are two lines; of those the second adds nothing and is passed over. Source:
https://www.ory.com/docs/hydra/self-hosted/configure-deploy and ``x/logrusx`` of its source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.access import row_of
from oauthtrace.sources.events.entries import Event, Members, object_of, pick, read_lines, share, text_at, whole
from oauthtrace.sources.times import to_epoch

__all__ = ["BY_LINE", "NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "hydra-json"
TITLE = "log of Ory Hydra, JSON lines"
SEES = ("query",)
PROVIDER = "ory-hydra"
BY_LINE = True
_TOLD = (400, 401, 403, 500)
"""Statuses of requests whose error has a line of its own."""


def is_entry(data: Members) -> bool:
    return "hydra" in str(data.get("service_name")).lower() and ("msg" in data or "error" in data)


def sniff(head: bytes) -> float:
    return share(head, is_entry)


def _line(line: str, reading: Reading) -> Event | Row | str | None:
    data = object_of(line)
    if isinstance(data, str):
        return data
    if not is_entry(data):
        return None
    request, error = data.get("http_request"), data.get("error")
    if not isinstance(request, Mapping):
        return _without_request(data, error) if isinstance(error, Mapping) else None
    if not isinstance(error, Mapping):
        status = whole(pick(data, "http_response.status"))
        if status is None or status in _TOLD:
            return None
    return row_of(raw_of(data, request, error), reading)


def _without_request(data: Members, error: Members) -> Event:
    """The event of an error that names no request."""
    return Event(
        PROVIDER,
        "error",
        failed=True,
        time=to_epoch(data.get("time")),
        status=whole(pick(error, "status_code")),
        error=text_at(error, "message"),
        description=text_at(error, "reason"),
        more=(text_at(error, "debug"),),
    )


def raw_of(data: Members, request: Members, error: Any) -> RawExchange:
    """The exchange of a line about a request."""
    told = isinstance(error, Mapping)
    query = _plain(text_at(request, "query"))
    host, scheme = text_at(request, "host") or "", text_at(request, "scheme") or "https"
    path = f"{text_at(request, 'path') or '/'}{f'?{query}' if query else ''}"
    headers = pick(request, "headers")
    sent = {
        str(name).lower(): value
        for name, value in (headers if isinstance(headers, Mapping) else {}).items()
        if isinstance(value, str) and _plain(value)
    }
    took = pick(data, "http_response.took")
    answer = {
        "error": text_at(error, "message"),
        "error_description": " ".join(
            part for name in ("reason", "debug") if (part := text_at(error, name)) is not None
        ),
    }
    return RawExchange(
        text_at(request, "method") or "GET",
        f"{scheme}://{host}{path}" if host else path,
        time=to_epoch(data.get("time")),
        duration_ms=took / 1e6 if isinstance(took, int | float) else None,
        request_headers=sent,
        status=whole(pick(error, "status_code") if told else pick(data, "http_response.status")),
        answer_headers={"content-type": "application/json"} if told else {},
        answer_body=json.dumps({k: v for k, v in answer.items() if v}) if told else None,
        client_address=(text_at(request, "remote") or "").rpartition(":")[0] or None,
        request_id=text_at(request, "headers.x-request-id"),
        sees=SEES,
    )


def _plain(value: str | None) -> str | None:
    """A value unless Hydra has hidden it."""
    return None if value is None or value.startswith("Value is sensitive") else value


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    for row in read_lines(stream, reading, "(?i)hydra", partial(_line, reading=reading)):
        row["provider"] = PROVIDER
        yield row

"""LiteLLM's log as JSON lines (``json_logs: true``): https://docs.litellm.ai/docs/proxy/debugging.

Times have no zone. An exception's message holds what the model's provider answered; the stack trace tells no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.sources import Reading, Row, text
from oauthtrace.sources.error_log import Complaint, row_of
from oauthtrace.sources.json_format import entries_of, objects_of
from oauthtrace.sources.times import to_epoch

NAME = "litellm-json"
TITLE = "LiteLLM proxy log as JSON"
SEES = text.SEES
BY_LINE = True

_OURS = re.compile(
    r"token expired|expired token|\bjwt\b|jwks|oauth|bearer|introspect|AADSTS|id token|access token", re.IGNORECASE
)
_CALLER = re.compile(r"Requester IP Address:\s*([0-9A-Fa-f.:]+)")
_GRAVE = frozenset({"ERROR", "CRITICAL", "WARNING"})
_KEYS = frozenset({"message", "level", "timestamp", "component", "logger"})


def fits(data: Mapping[str, Any]) -> bool:
    """Whether an object is an entry of LiteLLM's, or of the web server in it."""
    return data.keys() >= _KEYS and str(data["component"]).startswith(("LiteLLM", "uvicorn"))


def sniff(head: bytes) -> float:
    entries, count = objects_of(head)
    return sum(map(fits, entries)) / count if count else 0.0


starts = text.starts


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    for entry in text.entries(stream, reading):
        data = next(iter(entries_of(entry.text)), None)
        if data is None or not fits(data):
            row = text.row_of(entry.text, reading)
        else:
            row = row_of(_complaint(data, reading), reading)
        if row is not None:
            yield reading.place(row, entry.number)


def _complaint(data: Mapping[str, Any], reading: Reading) -> Complaint:
    said = data["message"]
    message = said if isinstance(said, str) else json.dumps(said)
    caller = _CALLER.search(message)
    return Complaint(
        message=_CALLER.sub("", message).strip(),
        failed=data["level"] in _GRAVE,
        time=to_epoch(data.get("timestamp"), reading.zone),
        client=caller[1] if caller else None,
        request_id=next((str(data[key])[:80] for key in ("litellm_call_id", "trace_id") if data.get(key)), None),
        ours=_OURS.search(message) is not None,
    )

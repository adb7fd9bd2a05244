"""Grafana Loki: answers of its API, Grafana's exports, and ``logcli`` (default, raw objects as jsonl).

https://grafana.com/docs/loki/latest/reference/loki-http-api/: streams with ``values`` of [nanoseconds, line]; logcli:
``2026-05-04T10:00:00Z {app="gw"} line``, and ``{"labels":{…},"line":"…","timestamp":"…"}`` with ``--output=jsonl``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from oauthtrace.sources import HEAD_BYTES, carriers, opening
from oauthtrace.sources.carriers import Inner, Setting, json_values
from oauthtrace.sources.times import to_epoch

NAME = "loki"
TITLE = "Grafana Loki: API, Grafana's export, logcli"
CLOSED = carriers.JSON_CLOSED
_LINE = re.compile(
    r'^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (\{(?:[\w.]+="(?:[^"\\]|\\.)*"(?:, ?)?)*\})\s+(.*)$',
    re.DOTALL,
)
_LIST = re.compile(rb'"(result|streams)"\s*:\s*\[')


def sniff(head: bytes) -> float:
    if is_document(head):
        return json_values.document_share(head, (), _unwrap, _deep(head))
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    match = _LINE.match(line)
    if match is not None:
        return [Inner(match[3], to_epoch(match[1]), source=match[2])]
    return json_values.of_line(line, _unwrap, setting)


def is_document(head: bytes) -> bool:
    """Whether it is an answer of the API: a list of streams."""
    return head.lstrip().startswith(b"{") and _LIST.search(head[:4096]) is not None and b'"values"' in head


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    head, stream = opening.with_head(stream, HEAD_BYTES)
    return json_values.of_document(stream, (), _unwrap, setting, _deep(head))


def _deep(head: bytes) -> str:
    match = _LIST.search(head)
    return match[1].decode() if match else "result"


def _unwrap(value: Any, _: Setting) -> list[Inner] | None:
    if not isinstance(value, dict):
        return None
    labels = value.get("stream", value.get("labels"))
    source = json.dumps(labels, sort_keys=True) if isinstance(labels, dict) else str(labels or "")
    if isinstance(value.get("line"), str) and labels is not None:
        return [Inner(value["line"].rstrip("\n"), to_epoch(value.get("timestamp")), source=source)]
    values = value.get("values")
    if not isinstance(values, list) or labels is None:
        return None
    pairs = [p for p in values if isinstance(p, list) and len(p) > 1 and isinstance(p[1], str)]
    if len(pairs) > 1 and str(pairs[0][0]) > str(pairs[-1][0]):
        pairs.reverse()  # the API's own order is the youngest first
    return [Inner(line.rstrip("\n"), to_epoch(stamp), source=source) for stamp, line, *_ in pairs]

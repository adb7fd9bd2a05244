"""Elastic Common Schema, as Filebeat, Elastic's loggers, Elasticsearch and Kibana write it.

https://www.elastic.co/docs/reference/ecs: the line itself is in ``message`` or ``event.original``; where neither holds a
line of a server but the record has HTTP fields, those are the exchange. A search's answer (``hits.hits[]._source``) is read
too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.sources import HEAD_BYTES, carriers, opening
from oauthtrace.sources.carriers import Inner, Setting, http_fields, json_values
from oauthtrace.sources.times import to_epoch

NAME = "ecs-json"
TITLE = "Elastic Common Schema: Filebeat, Elasticsearch and Kibana exports"
CLOSED = carriers.JSON_CLOSED
_STACK = ("error.stack_trace", "stack_trace")
_A_LINE = re.compile(r'^\S+ \S+ .*\[[^\]]+\] "|^\s*\{')
"""What a server's own line looks like, which says more than the fields that were made of it."""
_SEARCH = re.compile(rb'"hits"\s*:\s*\{')
_SURE = 0.95


def sniff(head: bytes) -> float:
    if is_document(head):
        return json_values.document_share(head, (), _unwrap, _deep(head))
    return _SURE * carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    return json_values.of_line(line, _unwrap, setting)


def is_document(head: bytes) -> bool:
    """Whether it is a search's answer, an array, or objects over several lines."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n")
    return start.startswith((b"[", b"{\n", b"{\r")) or _deep(start) is not None


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    head, stream = opening.with_head(stream, HEAD_BYTES)
    return json_values.of_document(stream, (), _unwrap, setting, _deep(head))


def _deep(head: bytes) -> str | None:
    return "hits" if _SEARCH.search(head[:4000]) else None


def _unwrap(value: Any, setting: Setting) -> list[Inner] | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("_source"), dict):
        value = value["_source"]
    if "@timestamp" not in value:
        return None
    fields = http_fields.flat(value)
    stamp = value["@timestamp"]
    time = to_epoch(stamp, setting.zone)
    text = next(
        (t for t in (value.get("message"), fields.get("event.original")) if isinstance(t, str) and t.strip()), None
    )
    if text is None or not _A_LINE.match(text):
        text = http_fields.access_line(fields, stamp) or text
    if text is None:
        return None
    if not text.startswith("{"):
        text = _with_stack(text, fields)
    return [Inner(text.rstrip("\n"), time, source=_source(fields), level=str(fields.get("log.level", "")))]


def _with_stack(text: str, fields: Mapping[str, Any]) -> str:
    """A message with the stack trace and the exception that stand in fields of their own."""
    stack = next((fields[name] for name in _STACK if isinstance(fields.get(name), str)), None)
    parts = [text.rstrip()]
    if stack and stack not in text:
        parts += [] if "Traceback" in stack or stack.lstrip()[:3] != "Fil" else ["Traceback (most recent call last):"]
        parts.append(stack.rstrip())
    kind, message = fields.get("error.type"), fields.get("error.message")
    if isinstance(message, str) and message not in "\n".join(parts):
        parts.append(f"{kind}: {message}" if kind else message)
    return "\n".join(parts)


def _source(fields: Mapping[str, Any]) -> str:
    names = ("host.name", "container.id", "kubernetes.pod.name", "service.name", "log.file.path", "stream")
    return " ".join(str(fields[name]) for name in names if name in fields)

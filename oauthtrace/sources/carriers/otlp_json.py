"""OpenTelemetry logs as OTLP JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

One object (a line, with the collector's file exporter) holds many log records. A record with HTTP attributes is an
exchange; else its body is the line. Numbers of 64 bits are texts; a ``timeUnixNano`` of 0 means that only the time of
observation is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting, http_fields, json_values
from oauthtrace.sources.times import to_epoch

NAME = "otlp-json"
TITLE = "OpenTelemetry logs, OTLP JSON"
CLOSED = carriers.JSON_CLOSED
EACH = r'"timeUnixNano"'
LISTS = ("resourceLogs",)
_SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")


def sniff(head: bytes) -> float:
    if is_document(head):
        return json_values.document_share(head, LISTS, _unwrap)
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    return json_values.of_line(line, _unwrap, setting)


def is_document(head: bytes) -> bool:
    """Whether the object spans several lines."""
    first, newline, _ = head.lstrip(b"\xef\xbb\xbf \r\n").partition(b"\n")
    return b'"resourceLogs"' in head and bool(newline) and not first.rstrip().endswith(b"]}")


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    return json_values.of_document(stream, LISTS, _unwrap, setting)


def _unwrap(value: Any, _: Setting) -> list[Inner] | None:
    if not isinstance(value, dict):
        return None
    resources = value["resourceLogs"] if isinstance(value.get("resourceLogs"), list) else [value]
    found: list[Inner] | None = None
    for resource in resources:
        scopes = (
            resource.get("scopeLogs", resource.get("instrumentationLibraryLogs"))
            if isinstance(resource, dict)
            else None
        )
        if not isinstance(scopes, list):
            continue
        about = _attributes((resource.get("resource") or {}).get("attributes"))
        found = found or []
        for scope in scopes:
            listed = scope.get("logRecords", scope.get("logs")) if isinstance(scope, dict) else None
            found += [_inner(record, about) for record in listed or () if isinstance(record, dict)]
    return found


def _inner(record: Mapping[str, Any], about: Mapping[str, Any]) -> Inner:
    own = _attributes(record.get("attributes"))
    stamp = next(
        (s for s in (record.get("timeUnixNano"), record.get("observedTimeUnixNano")) if s not in (None, "", "0", 0)),
        None,
    )
    time = to_epoch(stamp)
    line = http_fields.access_line({**about, **own}, time)
    text = line or json_values.text_of(_value(record.get("body"))) or ""
    if line is None and isinstance(stack := own.get("exception.stacktrace"), str):
        text = f"{text.rstrip()}\n{stack.rstrip()}"
    names = ("service.name", "service.instance.id", "k8s.pod.name", "k8s.container.name", "host.name", "log.iostream")
    source = " ".join(str(v) for n in names if (v := own.get(n, about.get(n))))
    return Inner(text.rstrip("\n"), time, source=source, level=str(record.get("severityText", "")))


def _attributes(listed: Any) -> dict[str, Any]:
    return {
        str(item["key"]): _value(item.get("value"))
        for item in (listed if isinstance(listed, list) else ())
        if isinstance(item, dict) and "key" in item
    }


def _value(value: Any) -> Any:
    """The plain value of an AnyValue."""
    if not isinstance(value, dict):
        return value
    if "kvlistValue" in value:
        return _attributes((value["kvlistValue"] or {}).get("values"))
    if "arrayValue" in value:
        return [_value(v) for v in (value["arrayValue"] or {}).get("values") or ()]
    found = next((value[name] for name in _SCALARS if name in value), json.dumps(value) if value else None)
    return int(found) if "intValue" in value and isinstance(found, str) and found.lstrip("-").isdigit() else found

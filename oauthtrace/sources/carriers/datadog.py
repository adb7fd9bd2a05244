"""Logs exported from Datadog: https://docs.datadoghq.com/api/latest/logs/ (``attributes.message``), archives (``message``).

Where the message is no line of a server but the attributes hold HTTP fields, those are the exchange.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting, http_fields, json_values
from oauthtrace.sources.times import to_epoch

NAME = "datadog"
TITLE = "logs exported from Datadog"
CLOSED = carriers.JSON_CLOSED
LISTS = ("data",)


def sniff(head: bytes) -> float:
    if is_document(head):
        return json_values.document_share(head, LISTS, _unwrap)
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    return json_values.of_line(line, _unwrap, setting)


def is_document(head: bytes) -> bool:
    """Whether it is an answer of the API or an array."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n")
    listed = start.startswith(b"[") or b'"data":[' in start[:4096].replace(b" ", b"")
    return listed and b'"attributes"' in start


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    return json_values.of_document(stream, LISTS, _unwrap, setting)


def _unwrap(value: Any, setting: Setting) -> list[Inner] | None:
    if not isinstance(value, dict):
        return None
    about = value.get("attributes")
    if not isinstance(about, dict):
        return None
    event = about if "message" in about and "timestamp" in about else value
    stamp = event.get("timestamp", event.get("date"))
    if stamp is None or not ("message" in event or "http" in about):
        return None
    text = json_values.text_of(event.get("message"))
    inner = about.get("attributes") if event is about else about
    fields = http_fields.flat(inner) if isinstance(inner, Mapping) else {}
    line = http_fields.access_line(_renamed(fields), stamp, fields.get("duration"))
    time = to_epoch(stamp, setting.zone)
    source = f"{event.get('host', '')} {event.get('service', '')}"
    own = text is not None and ("HTTP/" in text or text.lstrip().startswith("{"))
    chosen = text if own or line is None else line
    return [Inner((chosen or "").rstrip("\n"), time, source=source, level=str(event.get("status", "")))]


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Datadog's standard attributes (https://docs.datadoghq.com/standard-attributes/) that OpenTelemetry calls otherwise."""
    names = {
        "http.useragent": "http.user_agent",
        "network.client.ip": "client.ip",
        "http.referer": "http.request.referrer",
    }
    return {names.get(name, name): value for name, value in fields.items()}

"""Events exported from Splunk as JSON: https://help.splunk.com/en/splunk-enterprise/search/search-manual.

``{"preview":false,"result":{"_raw":"line","_time":"…"}}`` a line, or ``{"results":[{"_raw":…}]}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting, json_values
from oauthtrace.sources.times import to_epoch

NAME = "splunk-json"
TITLE = "events exported from Splunk as JSON"
CLOSED = carriers.JSON_CLOSED
LISTS = ("results",)


def sniff(head: bytes) -> float:
    if is_document(head):
        return json_values.document_share(head, LISTS, _unwrap)
    return carriers.share(head, peel)


def peel(line: str, setting: Setting) -> list[Inner] | None:
    return json_values.of_line(line, _unwrap, setting)


def is_document(head: bytes) -> bool:
    """Whether the events stand in a list."""
    return b'"results"' in head and b'"_raw"' in head


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    return json_values.of_document(stream, LISTS, _unwrap, setting)


def _unwrap(value: Any, setting: Setting) -> list[Inner] | None:
    event = value.get("result", value) if isinstance(value, dict) else None
    if not isinstance(event, dict) or not isinstance(event.get("_raw"), str):
        return None
    stamp = str(event.get("_time") or "").removesuffix(" UTC").removesuffix(" GMT")
    source = f"{event.get('host', '')} {event.get('source', '')}"
    return [Inner(event["_raw"].rstrip("\n"), to_epoch(stamp, setting.zone), zoned=_has_zone(stamp), source=source)]


def _has_zone(stamp: str) -> bool:
    return stamp[-6:-5] in ("+", "-") or stamp[-5:-4] in ("+", "-") or stamp.endswith("Z") or ":" not in stamp

"""AWS CloudWatch Logs: what the command line, exports to S3, subscriptions and Logs Insights give.

``filter-log-events`` and ``get-log-events``: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/;
subscriptions (several objects one behind the other): .../latest/logs/SubscriptionFilters.html; Insights: ``results`` of
lists of ``{"field","value"}``, times in UTC; S3 export: ``2026-05-04T10:00:00.123Z text`` a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from oauthtrace.sources import carriers
from oauthtrace.sources.carriers import Inner, Setting, json_values
from oauthtrace.sources.times import to_epoch

NAME = "cloudwatch"
TITLE = "AWS CloudWatch Logs: filter-log-events, get-log-events, subscription, Insights, S3 export"
SOFT = True
LISTS = ("events", "logEvents", "results")
_LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (.*)$", re.DOTALL)
_TOLD_BY = re.compile(rb'"(?:logEvents|ingestionTime|logStreamName|nextForwardToken|@message|searchedLogStreams)"')


def sniff(head: bytes) -> float:
    if is_document(head):
        return json_values.document_share(head, LISTS, _unwrap)
    return carriers.share(head, peel)


def peel(line: str, _: Setting) -> list[Inner] | None:
    match = _LINE.match(line)
    return [Inner(match[2], to_epoch(match[1]))] if match else None


def is_document(head: bytes) -> bool:
    """Whether it is JSON of the API."""
    start = head.lstrip(b"\xef\xbb\xbf \r\n")
    return start.startswith((b"{", b"[")) and _TOLD_BY.search(start) is not None


def records(stream: BinaryIO, setting: Setting) -> Iterator[Inner]:
    return json_values.of_document(stream, LISTS, _unwrap, setting)


def _unwrap(value: Any, _: Setting) -> list[Inner] | None:
    if isinstance(value, list):
        value = {item["field"]: item.get("value") for item in value if isinstance(item, dict) and "field" in item}
        value = {
            "message": value.get("@message"),
            "timestamp": value.get("@timestamp"),
            "logStreamName": value.get("@logStream"),
        }
    if not isinstance(value, dict) or "timestamp" not in value:
        return None
    text = json_values.text_of(value.get("message"))
    if text is None:
        return None
    return [Inner(text.rstrip("\n"), to_epoch(value["timestamp"]), source=str(value.get("logStreamName") or ""))]

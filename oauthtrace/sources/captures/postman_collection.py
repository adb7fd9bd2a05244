"""Postman collections (v2.0, v2.1) with saved examples: each example is a request and its answer, without a time.

Source: https://schema.postman.com/collection/json/v2.1.0/docs/index.html (``response``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import CAPTURE, RawExchange, lower_headers
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.captures.exchanges import rows_of, served_at
from oauthtrace.sources.captures.postman import request_of
from oauthtrace.sources.documents import LONGEST_VALUE

__all__ = ["NAME", "SEES", "TITLE", "read", "sniff"]

NAME = "postman-collection"
TITLE = "Postman collection with saved examples"
SEES = CAPTURE
_SCHEMA = re.compile(rb"schema\.(?:get)?postman\.com\\?/(?:json\\?/)?collection")


def sniff(head: bytes) -> float:
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    if not start.startswith(b"{") or not _SCHEMA.search(head):
        return 0.0
    return 1.0 if re.match(rb'\{\s*"(?:info|item)"\s*:', start) else 0.6


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    data = stream.read(LONGEST_VALUE + 1)
    if len(data) > LONGEST_VALUE:
        reading.reject(None, f"a collection of more than {LONGEST_VALUE:,} bytes")
        return iter(())
    try:
        document = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        reading.reject(None, f"not whole JSON: {error}")
        return iter(())
    return rows_of(_examples(document, reading), reading)


def _examples(document: Any, reading: Reading) -> Iterator[tuple[int, RawExchange]]:
    position = 0
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, Mapping):
            continue
        inner, examples = item.get("item"), item.get("response")
        waiting += reversed(inner) if isinstance(inner, list) else ()
        for example in examples if isinstance(examples, list) else ():
            reading.records += 1
            raw = _exchange(example, item.get("request"))
            if isinstance(raw, str):
                reading.reject(position, raw, str(example)[:300])
            else:
                yield position, raw
            position += 1


def _exchange(example: Any, request: Any) -> RawExchange | str:
    if not isinstance(example, Mapping):
        return "an example that is no object"
    sent = example.get("originalRequest") or request
    raw = request_of(sent) if isinstance(sent, Mapping) else request_of({"url": sent})
    if isinstance(raw, str):
        return raw
    code, body = example.get("code"), example.get("body")
    listed = example.get("header")
    raw.answer_headers = lower_headers(
        (str(h.get("key", "")), str(h.get("value", ""))) for h in listed or () if isinstance(h, Mapping)
    )
    raw.status = code if isinstance(code, int) else None
    raw.answer_body = body if isinstance(body, str) else None
    raw.transport_error = None if raw.status else "no answer saved"
    raw.time = served_at(raw.answer_headers)
    took = example.get("responseTime")
    raw.duration_ms = float(took) if isinstance(took, int | float) else None
    return raw

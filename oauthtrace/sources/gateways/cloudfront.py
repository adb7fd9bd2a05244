"""CloudFront's standard log (W3C), fields separated by tabs in the order that ``#Fields`` names.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html

Referer, agent and cookies are percent-encoded once more than they were. The header stands at the top of the file, so
that it is read whole each time; CloudFront itself never appends to one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, lines_of, w3c
from oauthtrace.sources.fields import exchange_of, sees_of

NAME = "cloudfront"
TITLE = "Amazon CloudFront standard log (W3C)"

_DEFAULT = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
]
"""The documented order, for a file whose top is cut off."""
_OURS = {
    "cs-method": "method", "cs-uri-stem": "url", "cs-uri-query": "query", "cs-protocol": "scheme", "x-host-header": "host", "sc-status": "status", "c-ip": "client", "time-taken": "took_s", "x-edge-request-id": "request_id",
    "x-edge-detailed-result-type": "flag:cloudfront", "cs(Referer)": "in:referer", "cs(User-Agent)": "in:user-agent", "cs(Cookie)": "in:cookie", "sc-content-type": "out:content-type",
}  # fmt: skip
_ENCODED = frozenset({"cs(Referer)", "cs(User-Agent)", "cs(Cookie)"})
SEES = sees_of(set(_OURS.values()))
SURE = 1.0


def sniff(head: bytes) -> float:
    first = lines_of(head)
    named = any(line.startswith("#Fields:") and "x-edge-" in line for line in first[:3])
    body = [line for line in first if not line.startswith("#")]
    fields = w3c.named(first[1] if named and len(first) > 1 else "") or _DEFAULT
    good = sum(_found(line, fields) is not None for line in body)
    if not body:
        return float(named)
    return good / len(body) if named or good == len(body) else 0.0


def _found(line: str, fields: list[str]) -> dict[str, Any] | None:
    """Our name -> value of a line; None when it has not so many fields."""
    values = line.split("\t")
    if len(values) < min(len(fields), 20) or not (len(values[0]) == 10 and values[0][4:5] == "-"):
        return None
    named = dict(zip(fields, values, strict=False))
    found: dict[str, Any] = {"time": f"{named.get('date', '')}T{named.get('time', '')}Z"}
    for name, value in named.items():
        if name in _OURS:
            found[_OURS[name]] = unquote(value) if name in _ENCODED else value
    return found


def line_of(line: str, _zone: object = None) -> RawExchange | str:
    """The exchange of one line in the documented order, or why it can't be read."""
    return _raw(line, _DEFAULT)


def _raw(line: str, fields: list[str]) -> RawExchange | str:
    found = _found(line, fields)
    return "not a line of CloudFront's standard log" if found is None else exchange_of(found)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return w3c.read(stream, reading, _DEFAULT, _raw)

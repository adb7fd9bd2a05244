"""nginx's access log as JSON, keys named like its variables: https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format.

Which keys there are is the operator's choice. What an operator named otherwise is of the format ``json-access``, or is
read by ``--log-format``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.fields import exchange_of
from oauthtrace.sources.gateways import json_lines
from oauthtrace.sources.json_format import objects_of, read_objects
from oauthtrace.sources.repair import parsed

NAME = "nginx-json"
TITLE = "nginx access log as JSON, keys named like its variables"
SEES = ("query",)
BY_LINE = True
SURE = 0.95

_OF_NGINX = frozenset(
    {"request_method", "request_uri", "remote_addr", "remote_user", "http_referer", "http_user_agent", "http_host", "server_name", "body_bytes_sent"}
)  # fmt: skip
_OF_NGINX_ALONE = frozenset(
    {"request_time", "upstream_response_time", "upstream_header_time", "upstream_addr", "upstream_status", "body_bytes_sent", "bytes_sent", "time_iso8601", "time_local", "msec"}
)  # fmt: skip


def fits(data: Mapping[str, Any]) -> bool:
    """Whether an object is an entry of nginx's."""
    keys = data.keys()
    return len(keys & _OF_NGINX) >= 2 and bool(keys & _OF_NGINX_ALONE) and json_lines.fits(data)


def sniff(head: bytes) -> float:
    entries, count = objects_of(head)
    return SURE * sum(map(fits, entries)) / count if count else 0.0


def raw_of(data: Mapping[str, Any], zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange of one entry, or why there is none; nginx writes when it was over."""
    if not fits(data):
        return "not an entry of nginx-json"
    found = json_lines.mapped(data)
    found["ended"] = found.pop("time", None)
    if "upstream_header_time" in data:
        found["upstream_wait"] = data["upstream_header_time"]
    return exchange_of(found, zone)


def line_of(line: str, zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange of one line, or why the line can't be read."""
    data = parsed(line)
    return "not a JSON object" if data is None else raw_of(data, zone)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_objects(stream, reading, raw_of)

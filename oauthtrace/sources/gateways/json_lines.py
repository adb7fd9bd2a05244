"""Access logs as JSON lines of whatever product: keys are found by the names that products use for the same thing.

Keys may stand one level down (``request.uri``); an object that has no method-like or URL-like key is no access log
entry. Products that are known have formats of their own, which win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row
from oauthtrace.sources.fields import exchange_of
from oauthtrace.sources.json_format import objects_of, read_objects
from oauthtrace.sources.repair import parsed as parse_line

NAME = "json-access"
TITLE = "JSON lines of an access log, keys mapped by their common names"
SEES = ("query",)
BY_LINE = True
SURE = 0.8
"""Score of a file all of whose lines fit: less than any product's own."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "@timestamp", "ts", "time_iso8601", "time_local", "msec", "datetime", "date", "start_time", "started_at", "starttime", "startutc", "requesttime", "eventtime", "logtime"),
    "request": ("request", "request_line", "requestline"),
    "method": ("request_method", "method", "verb", "httpmethod", "http_method", "requestmethod", "cs_method"),
    "url": ("request_uri", "uri", "url", "path", "requesturi", "requesturl", "requestpath", "http_url", "cs_uri", "original_path", "full_url", "target"),
    "query": ("args", "query", "query_string", "querystring", "cs_uri_query"),
    "status": ("status", "response", "http_status", "statuscode", "status_code", "response_code", "response_status", "downstreamstatus", "sc_status", "responsestatus", "httpstatus"),
    "client": ("remote_addr", "client_ip", "clientip", "remote_ip", "x_forwarded_for", "realip", "clienthost", "client", "clientaddress", "remoteip", "source_ip"),
    "took_s": ("request_time", "duration", "rt", "elapsed", "responselatency"),
    "took_ms": ("duration_ms", "latency", "elapsed_ms", "response_time_ms", "latency_ms"),
    "host": ("host", "http_host", "server_name", "vhost", "authority", "requesthost", "hostname", "domainname"),
    "scheme": ("scheme", "requestscheme", "proto", "http_x_forwarded_proto"),
    "in:referer": ("http_referer", "http_referrer", "referer", "referrer"),
    "in:user-agent": ("http_user_agent", "user_agent", "agent", "ua", "useragent"),
    "request_body": ("request_body", "body", "requestbody"),
    "answer_body": ("response_body", "responsebody", "resp_body"),
    "out:location": ("sent_http_location", "location", "upstream_http_location"),
    "out:www-authenticate": ("sent_http_www_authenticate", "www_authenticate"),
    "in:authorization": ("http_authorization",),
    "user": ("remote_user", "user", "username"),
    "upstream_status": ("upstream_status", "originstatus"),
    "flag:envoy": ("response_flags",),
    "flag:envoy-details": ("response_code_details",),
    "note": ("upstream_transport_failure_reason", "error", "err", "upstream_error", "error_message", "integration_error"),
    "request_id": ("request_id", "requestid", "x_request_id", "trace_id", "correlation_id"),
}  # fmt: skip
"""Our name -> the keys that products use, lower case, ``-`` and ``.`` as ``_``."""

_KEY_OF = {key: ours for ours, keys in SYNONYMS.items() for key in keys}
_ABSENT = ("", "-", None, "null", "(null)", "None")
_TELLS_BY_ABSENCE = frozenset({"upstream_status"})


def mapped(data: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an entry under our names; an outer key wins over a nested one."""
    found: dict[str, Any] = {}
    nested: list[Mapping[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            nested.append(value)
            continue
        ours = _KEY_OF.get(key.lower().replace("-", "_").replace(".", "_"))
        if ours and not isinstance(value, list) and (value not in _ABSENT or ours in _TELLS_BY_ABSENCE):
            found.setdefault(ours, value)
    for inner in nested:
        for ours, value in mapped(inner).items():
            found.setdefault(ours, value)
    return found


def is_access(found: Mapping[str, Any]) -> bool:
    """Whether mapped members are those of an access log entry."""
    has_target = "request" in found or ("url" in found and "method" in found)
    return has_target and "status" in found


def fits(data: Mapping[str, Any]) -> bool:
    """Whether an object is an access log entry."""
    return is_access(mapped(data))


def sniff(head: bytes) -> float:
    entries, count = objects_of(head)
    return SURE * sum(map(fits, entries)) / count if count else 0.0


def raw_of(data: Mapping[str, Any], zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange of one entry, or why there is none."""
    found = mapped(data)
    if not is_access(found):
        return "JSON without method, URL and status"
    return exchange_of(found, zone)


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return read_objects(stream, reading, raw_of)


def line_of(line: str, zone: tzinfo = UTC) -> RawExchange | str:
    """The exchange of one line, or why the line can't be read."""
    data = parse_line(line)
    return "not a JSON object" if data is None else raw_of(data, zone)

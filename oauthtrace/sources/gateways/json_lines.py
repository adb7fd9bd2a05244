r"""Access logs as JSON lines, whoever wrote them: nginx ``escape=json``, gateways, load balancers.

Keys are found by the names that products use for the same thing, also one level down (``request.uri``); an object that
has no method-like or URL-like key is no access log entry. Broken JSON that nginx is known to write (bare empty numbers,
``\\x22`` escapes, lists of upstream times) is repaired.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources import Reading, Row, access, lines_of
from oauthtrace.sources.times import to_epoch

NAME = "json-access"
TITLE = "JSON lines of an access log, keys mapped by their common names"
SEES = ("query",)
BY_LINE = True

SYNONYMS: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "@timestamp", "ts", "time_iso8601", "time_local", "msec", "datetime", "date", "start_time", "started_at", "starttime", "startutc", "requesttime", "eventtime", "logtime"),
    "request": ("request", "request_line", "requestline"),
    "method": ("request_method", "method", "verb", "httpmethod", "http_method", "requestmethod", "cs_method"),
    "url": ("request_uri", "uri", "url", "path", "requesturi", "requesturl", "requestpath", "http_url", "cs_uri", "original_path", "full_url", "target"),
    "query": ("args", "query", "query_string", "querystring", "cs_uri_query"),
    "status": ("status", "response", "http_status", "statuscode", "status_code", "response_code", "response_status", "downstreamstatus", "sc_status", "responsestatus", "httpstatus"),
    "client": ("remote_addr", "client_ip", "clientip", "remote_ip", "x_forwarded_for", "realip", "clienthost", "client", "clientaddress", "remoteip", "source_ip"),
    "duration_s": ("request_time", "duration", "rt", "elapsed", "responselatency"),
    "duration_ms": ("duration_ms", "latency", "elapsed_ms", "response_time_ms", "latency_ms"),
    "host": ("host", "http_host", "server_name", "vhost", "authority", "requesthost", "hostname", "domainname"),
    "scheme": ("scheme", "requestscheme", "proto", "http_x_forwarded_proto"),
    "referer": ("http_referer", "http_referrer", "referer", "referrer"),
    "agent": ("http_user_agent", "user_agent", "agent", "ua", "useragent"),
    "body": ("request_body", "body", "requestbody"),
    "answer": ("response_body", "responsebody", "resp_body"),
    "location": ("sent_http_location", "location", "upstream_http_location"),
    "challenge": ("sent_http_www_authenticate", "www_authenticate"),
    "authorization": ("http_authorization",),
    "user": ("remote_user", "user", "username"),
    "upstream_status": ("upstream_status", "originstatus"),
    "flags": ("response_flags", "response_code_details", "upstream_transport_failure_reason", "error", "err", "upstream_error", "error_message", "integration_error"),
    "request_id": ("request_id", "requestid", "x_request_id", "trace_id", "correlation_id"),
}  # fmt: skip
"""What we call it -> the keys that products use, lower case, ``-`` and ``.`` as ``_``."""

_KEY_OF = {key: ours for ours, keys in SYNONYMS.items() for key in keys}
_ABSENT = {"", "-", None, "null", "(null)", "None"}
_BARE = re.compile(r":\s*(-?[\d.]+|-)((?:\s*[,:]\s*(?:-?[\d.]+|-))+)(?=\s*[,}])")


def parse_line(line: str) -> dict[str, Any] | None:
    """The object of one line, repaired where nginx is known to break JSON; None when it is none."""
    start = line.find("{")
    if start < 0:
        return None
    text = line[start:]
    for repair in (False, True):
        try:
            if repair:
                text = re.sub(r"\\x([0-9A-Fa-f]{2})", r"\\u00\1", text)
                text = re.sub(r":\s*(?=[,}])", ":null", text)
                text = _BARE.sub(lambda m: f':"{m[1]}{m[2]}"', text)
                text = re.sub(r":\s*-(?=\s*[,}])", ":null", text)
            data = json.loads(text)
        except (ValueError, RecursionError):
            continue
        return data if isinstance(data, dict) else None
    return None


def mapped(data: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an entry under our names; an outer key wins over a nested one."""
    found: dict[str, Any] = {}
    nested: list[Mapping[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            nested.append(value)
            continue
        ours = _KEY_OF.get(key.lower().replace("-", "_").replace(".", "_"))
        if ours and value not in _ABSENT and not isinstance(value, list):
            found.setdefault(ours, value)
    for inner in nested:
        for ours, value in mapped(inner).items():
            found.setdefault(ours, value)
    return found


def is_access(found: Mapping[str, Any]) -> bool:
    """Whether mapped members are those of an access log entry."""
    has_target = "request" in found or ("url" in found and "method" in found)
    return has_target and "status" in found


def sniff(head: bytes) -> float:
    first = [line for line in lines_of(head) if "{" in line[:200]]
    if not first:
        return 0.0
    good = sum((data := parse_line(line)) is not None and is_access(mapped(data)) for line in first)
    return 0.9 * good / max(len(first), len(lines_of(head)))


def raw_of(data: Mapping[str, Any]) -> RawExchange | str:
    """The exchange of one entry, or why there is none."""
    found = mapped(data)
    if not is_access(found):
        return "JSON without method, URL and status"
    method, url = str(found.get("method", "GET")), str(found.get("url", ""))
    if "request" in found and (match := re.match(r"^([A-Z]{3,10}) (\S+)", str(found["request"]))):
        method, url = match[1], match[2]
    if "query" in found and "?" not in url:
        url = f"{url}?{str(found['query']).lstrip('?')}"
    if url.startswith("/") and "host" in found:
        url = f"{found.get('scheme', 'https')}://{found['host']}{url}"
    try:
        status = int(str(found["status"]).split(",")[-1].split(":")[-1].strip())
    except ValueError:
        return f"status is no number: {str(found['status'])[:20]}"
    sees = ["query"]
    headers = {
        n: str(found[k])
        for n, k in (("referer", "referer"), ("user-agent", "agent"), ("authorization", "authorization"))
        if k in found
    }
    answer = {n: str(found[k]) for n, k in (("location", "location"), ("www-authenticate", "challenge")) if k in found}
    if "body" in found:
        sees.append("body")
    if "location" in found:
        sees.append("location")
    duration = float(found["duration_ms"]) if isinstance(found.get("duration_ms"), int | float) else None
    if duration is None and isinstance(found.get("duration_s"), int | float | str):
        try:
            duration = float(found["duration_s"]) * 1000
        except ValueError:
            duration = None
    upstream = str(found.get("upstream_status", ""))
    note = str(found["flags"]) if "flags" in found else None
    return RawExchange(
        method=method,
        url=url,
        time=to_epoch(found.get("time")),
        duration_ms=duration,
        request_headers=headers,
        request_body=str(found["body"]) if "body" in found else None,
        status=status or None,
        answer_headers=answer,
        answer_body=str(found["answer"]) if "answer" in found else None,
        client_address=str(found["client"]).split(",")[0].strip() if "client" in found else None,
        user=str(found["user"]) if "user" in found else None,
        request_id=str(found["request_id"])[:80] if "request_id" in found else None,
        note=note,
        sees=tuple(sees),
        facts=("gateway answered itself",)
        if "upstream_status" in {_KEY_OF.get(k.lower()) for k in data} and upstream in ("", "0") and status >= 500
        else (),
    )


def read(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    return access.read_lines(stream, reading, line_of)


def line_of(line: str) -> RawExchange | str:
    """The exchange of one line, or why the line can't be read."""
    data = parse_line(line)
    return "not a JSON object" if data is None else raw_of(data)

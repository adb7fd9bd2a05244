"""HTTP fields of collectors' records, as one line of a JSON access log.

Elastic Common Schema: https://www.elastic.co/docs/reference/ecs/ecs-http, ecs-url. OpenTelemetry, today's names and those
before 2023: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAMES: dict[str, tuple[str, ...]] = {
    "method": ("http.request.method", "http.method"),
    "url": ("url.original", "url.full", "http.url", "http.target", "url.path"),
    "query": ("url.query",),
    "status": ("http.response.status_code", "http.status_code"),
    "host": ("url.domain", "server.address", "http.host", "net.host.name", "destination.domain"),
    "scheme": ("url.scheme", "http.scheme"),
    "client_ip": ("client.address", "client.ip", "source.ip", "source.address", "http.client_ip", "net.peer.ip"),
    "user": ("user.name", "enduser.id"),
    "user_agent": ("user_agent.original", "http.user_agent"),
    "referer": ("http.request.referrer",),
    "request_body": ("http.request.body.content",),
    "response_body": ("http.response.body.content",),
    "request_id": ("http.request.id", "trace.id"),
    "error": ("error.message", "error.type", "exception.message"),
}
"""Key of the line -> what the two schemas call it, the best first."""
_NEEDED = ("method", "url", "status")
_NS_PER_MS = 1e6


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The members of nested objects by their dotted names."""
    out: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def access_line(fields: Mapping[str, Any], time: Any = None, duration_ns: Any = None) -> str | None:
    """The line of an access log, or None when the fields tell of no request.

    Args:
        fields: dotted name -> value.
        time: when, as the record writes it.
        duration_ns: how long it took.
    """
    found = {
        ours: value
        for ours, names in NAMES.items()
        if (value := next((fields[n] for n in names if fields.get(n) not in (None, "")), None)) is not None
    }
    if any(name not in found for name in _NEEDED):
        return None
    if time is not None:
        found["time"] = time
    took = fields.get("event.duration", duration_ns)
    if isinstance(took, int | float):
        found["duration_ms"] = took / _NS_PER_MS
    return json.dumps(found, ensure_ascii=False)

"""Caddy's access log: https://caddyserver.com/docs/logging, https://caddyserver.com/docs/caddyfile/directives/log.

``ts`` is the end of the request. When its proxy fails, an entry of ``http.log.error`` says why, and the access entry
shows the status: two entries of one request, which share the caller's address and port.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any

from oauthtrace.oauth.observe import RawExchange
from oauthtrace.sources.json_format import JsonFormat, at


class _Caddy(JsonFormat):
    """Adds to the table what the logger's name tells."""

    def raw_of(self, data: Mapping[str, Any], zone: tzinfo = UTC) -> RawExchange | str:
        raw = super().raw_of(data, zone)
        if isinstance(raw, RawExchange):
            raw.request_id = f"{at(data, 'request.remote_ip')}:{at(data, 'request.remote_port')}"
            if str(data["logger"]).startswith("http.log.error"):
                raw.note = str(data.get("msg", ""))
                raw.facts = (*raw.facts, "gateway answered itself")
        return raw


FORMAT = _Caddy(
    "caddy-json",
    "Caddy access log",
    ("logger", "request.method", "request.uri", "request.proto"),
    {
        "ended": "ts", "took_s": "duration", "method": "request.method", "url": "request.uri", "host": "request.host", "status": "status", "client": ("request.client_ip", "request.remote_ip"),
        "user": "user_id", "in:*": "request.headers", "out:*": "resp_headers",
    },
)  # fmt: skip

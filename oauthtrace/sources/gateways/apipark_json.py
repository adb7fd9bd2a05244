"""Access log of APIPark and its data plane, Apinto, as JSON by the usual template: https://help.apinto.com/docs/plugins/access_log.html.

The operator names the fields. Headers come as one text. Durations are milliseconds.
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "apipark-json",
    "APIPark and Apinto access log as JSON",
    ("proxy.proxy_uri", "status_code"),
    {
        "ended": ("time_iso8601", "msec"), "took_ms": "time.request_time", "method": "request.request_method", "url": "request.request_uri", "scheme": "request.scheme", "host": "request.host", "status": "status_code.status",
        "upstream_status": "status_code.proxy_status", "client": "request.remote_addr", "request_id": "request_id", "request_body": "request.body", "answer_body": "response.body",
    },
)  # fmt: skip

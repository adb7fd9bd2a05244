"""Kong's logging plugins (file, HTTP, TCP and others), AI Gateway too: https://developer.konghq.com/plugins/file-log/.

Times are milliseconds; ``upstream_status`` is empty where Kong answered itself; ``authorization`` is masked.
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "kong-json",
    "Kong logging plugins, also of its AI Gateway",
    ("latencies.request", "request.method", "started_at"),
    {
        "time": "started_at", "took_ms": "latencies.request", "method": "request.method", "url": ("request.url", "request.uri"), "query": "request.querystring", "in:*": "request.headers", "request_body": "request.body",
        "status": "response.status", "out:*": "response.headers", "answer_body": "response.body", "client": "client_ip", "upstream_status": "upstream_status", "request_id": "request.id",
    },
)  # fmt: skip

"""APISIX's logger plugins (file, HTTP, Kafka and others), default fields: https://apisix.apache.org/docs/apisix/plugins/http-logger/."""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "apisix-json",
    "APISIX logger plugins",
    ("apisix_latency", "request.method", "response.status"),
    {
        "time": "start_time", "took_ms": "latency", "method": "request.method", "url": ("request.url", "request.uri"), "query": "request.querystring", "in:*": "request.headers", "request_body": "request.body",
        "status": "response.status", "out:*": "response.headers", "answer_body": "response.body", "client": "client_ip", "upstream_wait": "upstream_latency",
    },
)  # fmt: skip

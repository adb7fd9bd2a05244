"""Entries of Portkey's logs, as its logs API and exports give them: https://portkey.ai/docs/api-reference/admin-api/data-plane/logs/insert-a-log."""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "portkey-json",
    "Portkey logs: insert API and exports",
    ("request.url", "response.response_time|response_status_code", "metadata|trace_id"),
    {
        "time": ("created_at", "metadata.created_at", "timestamp"), "took_ms": "response.response_time", "method": "request.method", "url": "request.url", "in:*": "request.headers", "request_body": "request.body",
        "status": ("response.status", "response_status_code"), "out:*": "response.headers", "answer_body": "response.body", "request_id": ("metadata.trace_id", "trace_id"),
    },
)  # fmt: skip

"""Log of Google Cloud's HTTP(S) load balancers, as Cloud Logging exports it.

https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring, https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "gcp-lb",
    "Google Cloud HTTP(S) load balancer log",
    (
        "httpRequest.requestUrl",
        "resource.type=http_load_balancer|resource.type=internal_http_lb_rule|resource.type=http_external_regional_lb_rule",
    ),
    {
        "time": "timestamp", "took_s": "httpRequest.latency", "method": "httpRequest.requestMethod", "url": "httpRequest.requestUrl", "status": "httpRequest.status", "client": "httpRequest.remoteIp",
        "in:user-agent": "httpRequest.userAgent", "in:referer": "httpRequest.referer", "request_id": ("trace", "insertId"), "flag:gcp-lb": "jsonPayload.statusDetails",
    },
    extra="identity_aware_proxy",
)  # fmt: skip

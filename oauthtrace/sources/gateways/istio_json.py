"""Access log of Envoy and Istio as JSON, by Istio's names for the operators.

https://istio.io/latest/docs/tasks/observability/logs/access-log/
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "istio-json",
    "Envoy and Istio access log as JSON",
    ("response_flags", "response_code", "method", "path"),
    {
        "time": "start_time", "took_ms": "duration", "method": "method", "url": "path", "host": "authority", "status": "response_code", "client": ("x_forwarded_for", "downstream_remote_address"),
        "in:user-agent": "user_agent", "request_id": "request_id", "flag:envoy": "response_flags", "flag:envoy-details": "response_code_details", "note": "upstream_transport_failure_reason",
    },
    extra="jwt_authn|rbac_access|ext_authz",
)  # fmt: skip

"""Envoy Gateway's access log, JSON as it comes by default: https://gateway.envoyproxy.io/docs/tasks/observability/proxy-accesslog/."""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "envoy-gateway-json",
    "Envoy Gateway access log as JSON",
    (":authority", "response_flags", "response_code", "x-envoy-origin-path"),
    {
        "time": "start_time", "took_ms": "duration", "method": "method", "url": "x-envoy-origin-path", "host": ":authority", "status": "response_code", "client": ("x-forwarded-for", "downstream_remote_address"),
        "in:user-agent": "user-agent", "request_id": "x-request-id", "flag:envoy": "response_flags", "flag:envoy-details": "response_code_details", "note": "upstream_transport_failure_reason",
    },
    extra="jwt_authn|rbac_access|ext_authz",
)  # fmt: skip

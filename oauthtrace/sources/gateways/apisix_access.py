"""APISIX's access.log, by ``access_log_format`` of its config-default.yaml: https://apisix.apache.org/docs/apisix/FAQ/."""

from __future__ import annotations

from oauthtrace.sources.log_format import declared

FORMAT = declared(
    "apisix-access",
    "APISIX access log",
    '$remote_addr - $remote_user [$time_local] $http_host "$request" $status $body_bytes_sent $request_time "$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time '
    '"$upstream_url"',
    tail=True,
)

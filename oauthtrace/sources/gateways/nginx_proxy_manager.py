"""Logs of Nginx Proxy Manager, its ``proxy`` and ``standard`` formats.

https://github.com/NginxProxyManager/nginx-proxy-manager/blob/develop/docker/rootfs/etc/nginx/conf.d/include/log-proxy.conf
"""

from __future__ import annotations

from oauthtrace.sources.log_format import declared

_TAIL = '"$http_user_agent" "$http_referer"'
_REQUEST = (
    '$request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $body_bytes_sent] [Gzip $gzip_ratio]'
)
FORMAT = declared(
    "nginx-proxy-manager",
    "Nginx Proxy Manager access log",
    f"[$time_local] $upstream_cache_status $upstream_status $status - {_REQUEST} [Sent-to $server] {_TAIL}",
    f"[$time_local] $status - {_REQUEST} {_TAIL}",
)

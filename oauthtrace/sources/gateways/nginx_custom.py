"""nginx's access log by an operator's ``log_format``, as far as common ones show it themselves.

https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format, https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/log-format/

The layouts below are those that many sites share: address, time in brackets, request, status, then ``key=value`` by
the short names that guides use (rt, us, ut, ua). Any other is read by ``--log-format`` and the directive itself.
"""

from __future__ import annotations

from oauthtrace.sources.log_format import declared

FORMAT = declared(
    "nginx-custom",
    "nginx access log, common custom layouts (others: --log-format)",
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] '
    "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id",
    '$remote_addr [$time_iso8601] $request_method $scheme://$host$request_uri $status rt=$request_time us=$upstream_status ut=$upstream_response_time ua=$upstream_addr loc="$sent_http_location" body="$request_body"',
    "$remote_addr [$time_iso8601] $request_method $scheme://$host$request_uri $status rt=$request_time us=$upstream_status ut=$upstream_response_time",
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for" rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"',
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"',
    '$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"',
    '[$time_iso8601] $remote_addr $host "$request" $status',
    "[$time_local] $remote_addr - $remote_user - $server_name $host to: $upstream_addr: $request $status upstream_response_time $upstream_response_time msec $msec request_time $request_time",
    sure=0.97,
    tail=True,
)
